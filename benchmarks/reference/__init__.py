"""The plain baseline: the three stages written from their specification with ordinary modules, no tricks, under no_grad.

It is what our own modules are timed against and is not edited afterwards. State dict keys are the published ones.
"""
