"""Pictures made worse in 15 ways, each in 5 strengths: one file is one family; the list is catalogue.py.

After Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations": their definitions and the parameters of ImageNet-C, with lengths in proportion to the side of
the picture (theirs have 224 pixels). All are our own code on whole batches, float32 [n, h, w, 3] from 0 to 1.
"""
