"""A campaign of faults against the real command line: what breaks, what is noticed, what is believed.

``server`` calls the command line, ``healthy`` holds results to be harmed, ``verdict`` judges, each of the
other files is a family of faults, and ``planted`` proves that the judge can find one.
"""
