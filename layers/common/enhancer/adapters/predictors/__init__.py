"""One file per provider; all implement `enhancer.domain.predictions.Predictor`."""
