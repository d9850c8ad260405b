"""People judge a sample of what was accepted and of what was rejected; rates are weighted back to the version.

`synth.audit.export` draws the sample and writes the sheets, `synth.audit.findings` reads them and computes.
"""
