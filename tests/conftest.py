"""What holds for every test: none fails for being slow, since machines are shared and noisy."""

import hypothesis

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
