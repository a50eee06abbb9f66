"""What runs around a deployment: `python3 -m infra.hooks preprovision`, `postdeploy`, `predown`; azd calls these three.

Standard library only, since it runs before anything is installed. `commands` is the only module that starts programs,
and `__main__` the only one that reads the environment; what is decided is decided in functions of plain values.
"""
