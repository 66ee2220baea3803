"""What scikit-learn fits for the scores; imported at the first call, since `import tfvae` should not wait for it.

logistic regression   p(y = k | x) = softmax(W x + b)_k             L2 penalty, C = 1, on standardised features
nearest neighbours    the vote of k examples                        k odd, about sqrt(N), in standardised features
boosted trees         a sum of shallow trees, each fitted to what is left         100 of them, of 31 leaves or fewer
tree, forest          splits that lower the Gini impurity most      importance: the decrease, summed over splits
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin, RegressorMixin


def logistic_regression() -> "ClassifierMixin":
    """Returns multinomial logistic regression (L2 penalty, C = 1) on standardised features."""
    from sklearn.linear_model import LogisticRegression

    return _standardised(LogisticRegression(max_iter=1000))


def boosted_trees(seed: int | None = 0) -> "ClassifierMixin":
    """Returns 100 gradient-boosted trees on histograms of the features; a leaf holds 20 examples or more."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(early_stopping=False, random_state=seed)


def boosted_regression(seed: int | None = 0) -> "RegressorMixin":
    """Returns the same 100 trees for a number in the place of a class."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=False, random_state=seed)


def nearest_neighbors(num_train: int) -> "ClassifierMixin":
    """Returns the vote of about sqrt(num_train) neighbours, an odd number, in standardised features."""
    from sklearn.neighbors import KNeighborsClassifier

    return _standardised(KNeighborsClassifier(math.isqrt(num_train) // 2 * 2 + 1))


def tree(num_leaves: int) -> "ClassifierMixin":
    """Returns a decision tree of at most so many leaves, to which every class weighs the same."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_leaf_nodes=num_leaves, class_weight="balanced", random_state=0)


def forest(num_trees: int, seed: int) -> "ClassifierMixin":
    """Returns a random forest, every feature being open at every split."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(num_trees, max_features=None, random_state=seed)


def _standardised(classifier: "ClassifierMixin") -> "ClassifierMixin":
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), classifier)
