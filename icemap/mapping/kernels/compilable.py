"""What happens to a member that has no kernel."""


class CannotCompileError(Exception):
    """Why a member cannot be packed, as the end of a sentence that begins with its name; it is then
    asked by its own ``predict``.
    """
