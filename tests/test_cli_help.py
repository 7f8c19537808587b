"""The help of the command line: in the order of the chain, with an example in each command."""

import shlex

import pytest
from click.testing import CliRunner

from icemap.cli import main
from icemap.command_group import ORDER
from icemap.pipeline.chain import STEPS

pytestmark = pytest.mark.quick


def test_the_commands_are_listed_in_the_order_of_the_chain():
    shown = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    listed = [
        line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert listed == [name for name in ORDER if name in main.commands]
    assert set(listed) == set(main.commands)
    chain = [name for name in listed if name in {step.name for step in STEPS}]
    assert chain == [step.name for step in STEPS]


def test_the_list_has_whole_sentences_and_an_example_of_each_command():
    shown = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    assert "..." not in shown
    lines = [line.strip() for line in shown.splitlines()]
    for name in main.commands:
        assert sum(line.startswith(f"icemap {name} ") for line in lines) == 1, name


@pytest.mark.parametrize("name", main.commands)
def test_the_help_of_a_command_has_an_example_that_the_command_takes(name):
    shown = CliRunner().invoke(main, [name, "--help"]).output
    examples = [line.strip() for line in shown.splitlines() if line.startswith("      icemap ")]
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        assert words[:2] == ["icemap", name]
        main.commands[name].make_context(name, words[2:])
