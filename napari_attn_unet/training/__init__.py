"""Training: config, dataset, augmentation, losses, trainer."""
