"""Users of the example backend, as locust drives them.

locust -f demo/locustfile.py --headless -u 40 -r 10 -H http://127.0.0.1:8000
"""

from __future__ import annotations

import random

from locust import HttpUser, between, task

API = "/api/etter"
TERMS = ("ac", "an", "ba", "bo", "ca", "co", "de", "dy", "em", "en", "fj", "fo", "gr", "lo", "re")
ROLES = ("analyst", "architect", "controller", "designer", "engineer", "planner")
PEOPLE = tuple(f"user{number}@company{number}.example" for number in range(1, 21))
TASKS = ("assess", "budget", "forecast", "interview", "migrate", "plan")


class Visitor(HttpUser):
    """Mostly searches, reads workflows now and then, seldom changes or simulates."""

    wait_time = between(0.4, 1.2)

    def on_start(self) -> None:
        """Sign in."""
        address = random.choice(PEOPLE)
        with self.client.post(
            f"{API}/auth/token", json={"email": address}, catch_response=True
        ) as answer:
            if answer.status_code == 200:
                token = answer.json()["data"]["token"]
                self.client.headers["Authorization"] = f"Bearer {token}"

    @task(8)
    def search(self) -> None:
        """Search companies."""
        self._get(f"{API}/companies/search", q=random.choice(TERMS))

    @task(6)
    def autocomplete(self) -> None:
        """Type a name's first letters."""
        self._get(f"{API}/companies/autocomplete", q=random.choice(TERMS))

    @task(5)
    def workflows(self) -> None:
        """Look through workflows."""
        self._get(f"{API}/workflows", page=random.randint(1, 4))
        self._get(f"{API}/workflows/{random.randint(1, 200)}", name=f"{API}/workflows/[id]")

    @task(2)
    def adjacency(self) -> None:
        """Ask for the neighbours of a role and of a task."""
        self._get(f"{API}/roles/{random.choice(ROLES)}/adjacent", name=f"{API}/roles/[name]")
        self._get(f"{API}/tasks/{random.choice(TASKS)}/adjacent", name=f"{API}/tasks/[name]")

    @task(1)
    def edit(self) -> None:
        """Create a workflow, change it, delete it."""
        draft = {"company_id": random.randint(1, 64), "title": f"Trial {random.getrandbits(48):x}"}
        with self.client.post(f"{API}/workflows", json=draft, catch_response=True) as created:
            if created.status_code != 201:
                return
            url = f"{API}/workflows/{created.json()['data']['id']}"
        self.client.put(url, json={**draft, "status": "active"}, name=f"{API}/workflows/[id]")
        self.client.delete(url, name=f"{API}/workflows/[id]")

    @task(1)
    def simulate(self) -> None:
        """Simulate a role's week."""
        self.client.post(f"{API}/simulation/run", json={"automation_share": random.random()})

    @task(1)
    def dashboard(self) -> None:
        """Open the CHRO's dashboard."""
        self._get(f"{API}/get_chro_data")

    @task(2)
    def documents(self) -> None:
        """Look through documents, and open one's history."""
        self._get(f"{API}/documents/feed", fields="id,title,status")
        self._get(f"{API}/workflow_history", page_size=20)

    @task(1)
    def colleagues(self) -> None:
        """Find a colleague."""
        self._get(f"{API}/users/autocomplete", q="user")
        self._get(f"{API}/users", fields="id,username", page_size=20)

    def _get(self, path: str, name: str | None = None, **query: object) -> None:
        self.client.get(path, params=query, name=name or path)
