"""The frame of the checks: how a learner's code is run, judged and reported on."""
