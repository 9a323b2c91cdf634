"""What may be trained on, validated and tested: the vault, walk-forward folds, their scalers, and their audit."""
