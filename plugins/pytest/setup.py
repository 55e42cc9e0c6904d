from setuptools import setup

setup()  # see setup.cfg
