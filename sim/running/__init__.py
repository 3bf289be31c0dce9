"""From a configuration to a published record, for one run or for many: build, train together, save, publish."""
