"""What may be trained on, validated and tested: the vault, the folds, their scalers, and their audit."""
