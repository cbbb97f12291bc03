"""Learning to learn by gradient descent by gradient descent, in PyTorch.

Five nouns: a **task** draws optimizees; a **rule** updates them; an **unroll** runs a rule on optimizees; an
**estimator** (`tbptt`) turns unrolls into meta-gradients; a **recipe** names an experiment made of the four.
"""

from l2l_core.catalogue import TRIALS, trial
from l2l_core.evaluation import at, evaluate
from l2l_core.exercises import check
from l2l_core.features import LogSign, RawGradient, log_sign
from l2l_core.metagrad import tbptt
from l2l_core.recipes import RECIPES, Recipe, recipe
from l2l_core.rule import Rule
from l2l_core.rules import RULES, CoordinatewiseLSTM
from l2l_core.tasks import TASKS, from_module
from l2l_core.torch_optim import RuleOptimizer
from l2l_core.training import Training, meta_train
from l2l_core.types import Optimizee, Signal, Task
from l2l_core.unroll import Unroll, first_order, second_order
from l2l_core.zoo import load_pretrained

__version__ = "0.1.0"

__all__ = [
    "RECIPES",
    "RULES",
    "TASKS",
    "TRIALS",
    "CoordinatewiseLSTM",
    "LogSign",
    "Optimizee",
    "RawGradient",
    "Recipe",
    "Rule",
    "RuleOptimizer",
    "Signal",
    "Task",
    "Training",
    "Unroll",
    "at",
    "check",
    "evaluate",
    "first_order",
    "from_module",
    "load_pretrained",
    "log_sign",
    "meta_train",
    "recipe",
    "second_order",
    "tbptt",
    "trial",
]
