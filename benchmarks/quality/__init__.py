"""Time to quality: minutes of training until a model of dynamically binarised MNIST is as good as a published one.

    python -m benchmarks.quality --budget 10         all contenders, one after the other; JSON, picture, table
    python -m benchmarks.quality --smoke             a tiny version of all that is installed

`task` says what is learned and keeps the clock, `contenders/` how each learns it, `scorer` has the one estimator that
judges all, `report` says when a target was reached. The peers' environments are those of the speed suite.
"""
