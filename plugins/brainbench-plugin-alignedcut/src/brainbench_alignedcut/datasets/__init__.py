"""Public images with masks: PASCAL VOC 2012 and ImageNet-Segmentation."""
