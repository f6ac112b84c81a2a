"""What we say: every metric and label, its kind, unit, help, and how much of it there may be.

Names and meanings are the stable contract. A label is either closed (`values`) or open with a
`budget`; a family holds at most `seats` tuples of open label values, and at most `bounds` bounds
where it is a histogram. The guard enforces both at run time; `max_series` is what they add up to.

A module is a subject; its tuple at the end lists what an exporter says of it.
"""

from inferometer.catalogue.anomalies import *
from inferometer.catalogue.client import *
from inferometer.catalogue.cost import *
from inferometer.catalogue.engine import *
from inferometer.catalogue.evaluation import *
from inferometer.catalogue.exporter import *
from inferometer.catalogue.forward import *
from inferometer.catalogue.gpu import *
from inferometer.catalogue.heartbeat import *
from inferometer.catalogue.intake import *
from inferometer.catalogue.ledger import *
from inferometer.catalogue.limits import *
from inferometer.catalogue.model import *
from inferometer.catalogue.quality import *
from inferometer.catalogue.users import *

METRICS = (*GPU_METRICS, *ENGINE_METRICS, *COST_METRICS, *CLIENT_METRICS, *QUALITY_METRICS,
           *EVALUATION_METRICS, *INTAKE_METRICS, *LEDGER_METRICS, *FORWARD_METRICS,
           *HEARTBEAT_METRICS, *USER_METRICS, *FEEDBACK_METRICS, *ANOMALY_METRICS,
           *RECONCILIATION_METRICS, *SELF_METRICS)
