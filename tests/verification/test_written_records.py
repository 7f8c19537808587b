"""What verification writes is what the reader of its files expects."""

import numpy as np

from icemap.json_records import ApplicabilityRecord, CalibrationRecord, check_record
from icemap.verification.applicability import Applicability
from icemap.verification.calibration import Calibration


def test_calibration_and_applicability_are_read_as_they_are_written():
    pit = np.linspace(0.001, 0.999, 99)
    check_record("calibration.json", Calibration.fit(pit).to_dict(), CalibrationRecord, "")
    train = np.random.default_rng(0).normal(size=(60, 2))
    check_record("applicability.json", Applicability.fit(train).to_dict(), ApplicabilityRecord, "")
