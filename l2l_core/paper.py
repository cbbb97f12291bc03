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
