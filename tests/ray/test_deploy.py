"""The files in deploy/, by the schemas of what reads them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwen_rerank.ray.settings import FleetSettings

jsonschema = pytest.importorskip("jsonschema", reason="Ray is not installed")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RAYSERVICE = DEPLOY / "rayservice.yaml"


def closed(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object with these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "integer", "minimum": 0}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SECRET = closed("name key", name=TEXT, key=TEXT, optional={"type": "boolean"})
VARIABLE = closed("name", name=TEXT, value=TEXT, valueFrom=closed(secretKeyRef=SECRET))
CONTAINER = closed(
    "name image",
    name=TEXT,
    image=TEXT,
    env=many(VARIABLE),
    ports=many(closed("containerPort", name=TEXT, containerPort=NUMBER)),
    resources=closed(requests=TEXTS, limits=TEXTS),
    volumeMounts=many(closed("name mountPath", name=TEXT, mountPath=TEXT)),
)
POD = closed(
    "spec",
    spec=closed(
        "containers",
        containers=many(CONTAINER),
        terminationGracePeriodSeconds=NUMBER,
        tolerations=many(closed(key=TEXT, operator=TEXT, effect=TEXT)),
        volumes=many(closed("name", name=TEXT, emptyDir={"type": "object"})),
    ),
)
WORKERS = closed(
    "groupName maxReplicas minReplicas template",
    groupName=TEXT,
    replicas=NUMBER,
    minReplicas=NUMBER,
    maxReplicas=NUMBER,
    rayStartParams=TEXTS,
    template=POD,
)
SCHEMA = closed(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayService"},
    metadata=closed("name", name=TEXT),
    spec=closed(
        "serveConfigV2 rayClusterConfig",
        serveConfigV2=TEXT,
        rayClusterConfig=closed(
            "headGroupSpec",
            rayVersion=TEXT,
            enableInTreeAutoscaling={"type": "boolean"},
            headGroupSpec=closed("template", rayStartParams=TEXTS, template=POD),
            workerGroupSpecs=many(WORKERS),
        ),
    ),
)
"""What KubeRay's definition of a RayService says about the keys that our file uses."""


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def test_the_rayservice_has_the_form_that_kuberay_wants() -> None:
    jsonschema.validate(read(RAYSERVICE), SCHEMA)


def test_the_rayservice_fits_kuberays_own_definition() -> None:
    file = os.environ.get("QWEN_RERANK_TEST_KUBERAY_CRD")
    if file is None:
        pytest.skip("set QWEN_RERANK_TEST_KUBERAY_CRD to KubeRay's ray.io_rayservices.yaml")
    [version] = [v for v in read(Path(file))["spec"]["versions"] if v["name"] == "v1"]
    definition = version["schema"]["openAPIV3Schema"]
    del definition["properties"]["metadata"]
    jsonschema.validate(read(RAYSERVICE), strict(definition) | {"additionalProperties": True})


def strict(schema: Any) -> Any:
    """Kubernetes drops unknown keys; here they are errors."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(part) for name, part in schema.items()}
    if found.get("x-kubernetes-int-or-string"):
        return {}
    if "properties" in found and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.parametrize("file", ["rayservice.yaml", "serve.yaml"])
def test_ray_serve_and_this_package_take_the_configuration(file: str) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="Ray is not installed")
    found = read(DEPLOY / file)
    config = yaml.safe_load(found["spec"]["serveConfigV2"]) if "spec" in found else found
    [application] = schema.ServeDeploySchema.model_validate(config).applications
    assert application.import_path == "qwen_rerank.ray:app"
    FleetSettings(**application.args)
    from qwen_rerank.ray.serving import NAME

    assert {deployment.name for deployment in application.deployments} <= {NAME}


def test_the_image_and_the_service_have_one_version_of_ray() -> None:
    recipe = (DEPLOY / "Containerfile").read_text("utf-8")
    [version] = re.findall(r"ray\[data,serve\]==([\d.]+)", recipe)
    cluster = read(RAYSERVICE)["spec"]["rayClusterConfig"]
    assert cluster["rayVersion"] == version
    for source in re.findall(r"^COPY (.+) \S+$", recipe, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())


def test_requests_end_before_kubernetes_kills_their_replica() -> None:
    workers = read(RAYSERVICE)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    for group in workers:
        seconds = group["template"]["spec"]["terminationGracePeriodSeconds"]
        assert seconds > FleetSettings().deadline
