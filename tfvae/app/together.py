"""Which options of a training run go together, and the sentence for those that do not."""

import math

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.table_source import is_folder
from tfvae.recipes import RECIPES, arguments


def typed(name: str) -> str:
    """Returns an option as a person types it."""
    return "--" + name.replace("_", "-")


def check_table(table: bool, values: Config, given: Config) -> None:
    """Refuses what a table's schema decides, a schema of something else, and recipes with a likelihood of their own."""
    if values["schema"] is not None and not table:
        raise InvalidInput("a table beside --schema", values["source"], "Leave --schema out.")
    own = {name: value for name, value in given.items() if (name, value) != ("binarization", "none")}
    unused = ("likelihood", "binarization", "scale", *(() if is_folder(values["source"]) else ("data_dir",)))
    decided = [name for name in unused if table and name in own]
    if decided:
        raise InvalidInput("a schema that says what columns are", typed(decided[0]), "Say so in --schema FILE.")
    taken = arguments(RECIPES[values["recipe"]])
    if table and not {"likelihood", "columns"} & taken.keys():
        remedy = "Take one that leaves the likelihood open, or the recipe mixed-table."
        raise InvalidInput("a recipe for mixed columns", f"--recipe {values['recipe']}", remedy)
    if table and values["network"] == "conv":
        raise InvalidInput("--network mlp for a table", "--network conv", "Leave --network out.")


def check_minutes(minutes: float | None, given: Config) -> None:
    """Refuses a time that cannot be, and one beside a number of passes."""
    if minutes is None:
        return
    if "epochs" in given:
        raise InvalidInput("--minutes or --epochs", "both", "Leave one out: minutes are turned into epochs.")
    if not 0 < minutes < math.inf:
        raise InvalidInput("--minutes above 0, a number of minutes", f"--minutes {minutes}", "Try --minutes 10.")


def check_told(told: bool, values: Config) -> None:
    """Refuses a recipe that wants a condition without one, and networks of one thing alone with a condition or mask."""
    if values["recipe"] == "conditional" and not told:
        remedy = "Add for example --condition y, or choose another recipe."
        raise InvalidInput("--condition NAME beside --recipe conditional", "none", remedy)
    if (told or values["missing"]) and values["network"] == "conv":
        beside = "the condition" if told else "the mask"
        remedy = (
            "Leave --network out, or compose it in Python: a tfvae.Feature of x, and a posterior that is given both."
        )
        raise InvalidInput(f"an encoder of x and {beside}, --network mlp", "--network conv, of x alone", remedy)


def check_labelled(labelled: bool, values: Config) -> None:
    """Refuses labels for a recipe without a class, a class without labels, and what says more of labels without any."""
    takes = "num_classes" in arguments(RECIPES[values["recipe"]])
    if labelled and not takes:
        own = ", ".join(name for name, recipe in RECIPES.items() if "num_classes" in arguments(recipe))
        raise InvalidInput(f"--labels beside one of --recipe {own}", f"--recipe {values['recipe']}", "Leave one out.")
    if takes and not labelled:
        remedy = "Add for example --labels y, or choose another recipe."
        raise InvalidInput(f"--labels NAME beside --recipe {values['recipe']}", "none", remedy)
    for name in ("classes", "num_labels"):
        if values[name] is not None and not labelled:
            raise InvalidInput(f"--labels NAME beside {typed(name)}", "none", "Add for example --labels y.")
    if labelled and values["network"] == "conv":
        remedy = "Leave --network out, or compose it in Python."
        raise InvalidInput("a decoder of a class and a code, --network mlp", "--network conv, of one alone", remedy)
