"""A hub on one machine, for a course or a group whose members trust each other: all their servers
run as the account that started the hub.

    export HUB_PASSWORD=...                # one for all, 16 letters or more; asked for with any
    user name .venv/bin/jupyterhub --config deploy/jupyterhub/jupyterhub_config.py

The hub answers on this machine alone (http://127.0.0.1:8000): put a web server with TLS before it,
or reach it through ssh. Everything it writes is in the folder it was started in, below hub/.
Users who must not see each other's files need the hub on Kubernetes: deploy/helm/.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
FOLDER = Path("hub").resolve()
FOLDER.mkdir(mode=0o700, exist_ok=True)

c = get_config()  # noqa: F821  (JupyterHub's own)

c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.db_url = f"sqlite:///{FOLDER / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(FOLDER / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(FOLDER / "proxy.pid")
# The proxy's Python port, which the lock brings. It hands on no path with a colon: dashboards of
# schedulers on other machines need the one from npm.
c.ConfigurableHTTPProxy.command = [str(PROGRAMS / "configurable-http-proxy")]

password = os.environ.get("HUB_PASSWORD", "")
if len(password) < 16:
    sys.exit("Set HUB_PASSWORD to the password of the hub, 16 letters or more.")
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = password
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(FOLDER / "users" / "{username}")
c.Spawner.cmd = [str(PROGRAMS / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
# Which hosts a dashboard may be on is said once, for this hub and for the image; one thread per
# task, as icemap's own workers have.
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": str(ROOT / "deploy" / "image"),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
}


def give_notebooks(spawner):
    """The notebooks of the checkout in the user's folder; what the user has changed stays."""
    folder = FOLDER / "users" / spawner.user.name / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        if not (folder / notebook.name).exists():
            shutil.copy(notebook, folder)


c.Spawner.pre_spawn_hook = give_notebooks
