"""The science of adding up: totals of regions, zones and masks, with their uncertainty."""
