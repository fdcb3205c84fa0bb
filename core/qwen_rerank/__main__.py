"""`python -m qwen_rerank` is `qwen-rerank`."""

import sys

from qwen_rerank.cli.main import main

sys.exit(main())
