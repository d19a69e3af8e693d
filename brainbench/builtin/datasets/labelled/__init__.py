"""Labelled images, which networks are tuned on: the layouts that such data come in, and two generated tasks."""
