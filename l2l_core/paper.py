"""Points read off the figures of Andrychowicz et al. 2016, for drawing beside our own.

Digitised by eye from the printed plots: 2 to 4 % on their logarithmic axes, more where dashed lines overlap.
"""

QUADRATIC = {
    "step": [5, 10, 20, 40, 60, 80, 100],
    "lstm": [0.50, 0.27, 0.153, 0.081, 0.057, 0.046, 0.040],
    "adam": [16.7, 6.9, 2.1, 0.35, 0.101, 0.060, 0.052],
    "rmsprop": [2.95, 1.54, 0.64, 0.166, 0.094, 0.072, 0.061],
    "nag": [0.65, 0.33, 0.20, 0.128, 0.103, 0.090, 0.082],
    "sgd": [0.70, 0.60, 0.46, 0.333, 0.276, 0.243, 0.222],
}
"""Fig. 4 left: mean loss on the scale of the mean over ten residuals."""

MNIST = {
    "step": [5, 10, 20, 40, 60, 80, 100, 140, 200],
    "lstm": [1.37, 0.74, 0.46, 0.33, 0.30, 0.264, 0.248, 0.233, 0.21],
    "nag": [2.31, 2.24, 1.47, 0.56, 0.41, 0.355, 0.32, 0.305, 0.265],
    "adam": [2.3, 2.13, 1.51, 0.61, 0.44, 0.397, 0.355, 0.330, 0.30],
    "rmsprop": [2.3, 2.3, 1.74, 0.63, 0.44, 0.388, 0.357, 0.318, 0.29],
    "sgd": [2.38, 2.25, 1.94, 1.07, 0.70, 0.548, 0.46, 0.391, 0.335],
}
"""Fig. 4 centre (steps to 100) and right (beyond): cross-entropy in nats."""

TRANSFER = {
    "mnist-40-units": {"lstm": 0.194, "nag": 0.30, "adam": 0.317, "rmsprop": 0.323, "sgd": 0.447},
    "mnist-2-layers": {"lstm": 0.323, "nag": 0.73, "adam": 0.70, "rmsprop": 0.71, "sgd": 1.79},
    "mnist-relu": {"lstm": 2.56, "nag": 0.363, "adam": 0.368, "rmsprop": 0.405, "sgd": 0.447},
}
"""Fig. 5: cross-entropy at step 100, by trial."""

TRANSFER_PATHS = {
    "mnist-40-units": {"step": [10, 20, 40, 60, 100], "lstm": [0.61, 0.38, 0.27, 0.23, 0.194]},
    "mnist-2-layers": {"step": [10, 20, 40, 60, 100], "lstm": [1.67, 0.94, 0.53, 0.42, 0.323]},
    "mnist-relu": {"step": [10, 20, 50, 80, 100], "lstm": [2.3, 2.3, 2.3, 2.8, 2.56]},
}
"""Fig. 5: the learned rule on its way."""

GRID_WIDTHS = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
GRID = {
    ("lstm", 1): [0.59, 0.35, 0.28, 0.246, 0.232, 0.213, 0.207, 0.193, 0.179, 0.19],
    ("lstm", 2): [1.02, 0.55, 0.40, 0.322, 0.296, 0.264, 0.247, 0.239, 0.227, 0.205],
    ("adam", 1): [0.82, 0.49, 0.42, 0.370, 0.354, 0.320, 0.315, 0.312, 0.294, 0.296],
    ("adam", 2): [1.54, 1.03, 0.84, 0.70, 0.64, 0.61, 0.60, 0.57, 0.56, 0.55],
    ("nag", 1): [0.58, 0.36, 0.28, 0.255, 0.243, 0.241, 0.234, 0.226, 0.238, 0.226],
    ("nag", 2): [0.92, 0.59, 0.49, 0.453, 0.438, 0.446, 0.458, 0.443, 0.454, 0.449],
}
"""Fig. 6: final loss by (rule, hidden layers), over `GRID_WIDTHS`; the dashed line there is at 0.245."""
