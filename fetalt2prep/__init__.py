"""fetalt2prep: quantitative T2 maps from multi-echo-time fetal brain MRI (the library)."""

__version__ = "0.1.0"
