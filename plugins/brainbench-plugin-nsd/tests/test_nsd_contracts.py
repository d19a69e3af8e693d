from brainbench.testing import DatasetContract


class TestNSD(DatasetContract):
    name = "nsd"


class TestAlgonauts(DatasetContract):
    name = "algonauts2023"
