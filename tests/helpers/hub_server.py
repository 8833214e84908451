"""A server on loopback that speaks as much of the Hub's HTTP protocol as models and Spaces need.

It keeps repositories in memory, a Space as `spaces/<user>/<name>`. A token is `Bearer <user>`; a user may write to
`<user>/...` and `spaces/<user>/...` alone.
"""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LFS_SUFFIXES = (".safetensors", ".onnx", ".png", ".wasm")


@dataclass
class Commit:
    sha: str
    title: str
    files: dict[str, bytes]


@dataclass
class Repository:
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def add_commit(self, branch, title, files):
        sha = hashlib.sha1(f"{len(self.commits)}{title}{sorted(files)}".encode()).hexdigest()
        self.commits[sha] = Commit(sha, title, files)
        self.branches[branch] = sha
        return sha

    def find(self, revision):
        return self.commits.get(self.branches.get(revision, revision))


class HubServer(ThreadingHTTPServer):
    """Attributes:
    repositories: By id.
    requests: `method path` of all requests so far.
    broken: A pattern; the connection of a request that it matches is cut before an answer.
    stalled: A pattern; a request that it matches gets no answer for a minute.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.forget()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def forget(self):
        """Holds nothing, as at the start."""
        self.repositories = {}
        self.objects = {}
        self.requests = []
        self.broken = None
        self.stalled = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        self.path = unquote(self.path)
        self.path_only = urlsplit(self.path).path
        self.server.requests.append(f"{self.command} {self.path_only}")
        length = int(self.headers.get("Content-Length") or 0)
        self.body = (
            self.read_chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        )
        if self.server.broken and re.search(self.server.broken, f"{self.command} {self.path_only}"):
            self.close_connection = True
            self.connection.close()
            return
        if self.server.stalled and re.search(self.server.stalled, f"{self.command} {self.path_only}"):
            time.sleep(60)
        for method, pattern, handle in ROUTES:
            match = re.fullmatch(pattern, self.path_only)
            if match and self.command in method:
                with self.server.lock:
                    handle(self, *match.groups())
                return
        self.refuse(404, "EntryNotFound", f"no route for {self.command} {self.path}")

    do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815

    def read_chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def send(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, value):
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status, code, message, **more):
        body = json.dumps({"error": message} | more).encode()
        self.send(status, body, {"X-Error-Code": code, "X-Error-Message": message})

    @property
    def user(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def owns(self, repo_id):
        return repo_id.split("/")[-2] == self.user

    def may_write(self, repo_id):
        if self.user is None:
            self.refuse(401, "", "Invalid username or password.")
        elif not self.owns(repo_id):
            self.refuse(403, "", f"You don't have the rights to write to {repo_id}.")
        else:
            return True
        return False

    def repository(self, repo_id):
        found = self.server.repositories.get(repo_id)
        if found is None or (found.private and not self.owns(repo_id)):
            self.refuse(401 if self.user is None else 404, "RepoNotFound", f"Repository {repo_id} not found")
            return None
        return found

    def commit_of(self, repo_id, revision):
        repository = self.repository(repo_id)
        commit = repository.find(revision) if repository else None
        if repository and commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def whoami(self):
        if self.user is None:
            self.refuse(401, "", "Invalid username or password.")
        else:
            self.send_json({"type": "user", "name": self.user, "orgs": [], "auth": {"type": "access_token"}})

    def validate_yaml(self):
        content = json.loads(self.body)["content"]
        metadata = yaml.safe_load(content.split("---")[1]) if content.startswith("---") else {}
        licence = metadata.get("license")
        if licence not in (None, "apache-2.0", "mit", "other"):
            self.send(400, f'"license" must be one of [apache-2.0, mit, other], not {licence}'.encode())
        else:
            self.send_json({"errors": [], "warnings": []})

    def create(self):
        values = json.loads(self.body)
        prefix = "spaces/" if values.get("type") == "space" else ""
        repo_id = f"{prefix}{values.get('organization') or self.user}/{values['name']}"
        if not self.may_write(repo_id):
            return
        if repo_id in self.server.repositories:
            self.refuse(409, "", "You already created this repo", url=f"{self.server.endpoint}/{repo_id}")
            return
        repository = self.server.repositories[repo_id] = Repository(
            private=values.get("private", values.get("visibility") == "private")
        )
        repository.add_commit("main", "initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self.send_json({"url": f"{self.server.endpoint}/{repo_id}", "name": repo_id, "id": repo_id})

    def create_branch(self, repo_id, branch):
        if not self.may_write(repo_id):
            return
        repository = self.server.repositories[repo_id]
        if branch in repository.branches:
            self.refuse(409, "", "Reference already exists")
            return
        repository.branches[branch] = repository.branches["main"]
        self.send_json({})

    def preupload(self, repo_id, revision):
        if self.may_write(repo_id):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(self.body)["files"]
            ]
            self.send_json({"files": files})

    def lfs_batch(self, repo_id):
        objects = [
            entry
            if entry["oid"] in self.server.objects
            else entry | {"actions": {"upload": {"href": f"{self.server.endpoint}/objects/{entry['oid']}"}}}
            for entry in json.loads(self.body)["objects"]
        ]
        self.send_json({"transfer": "basic", "objects": objects})

    def put_object(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            self.refuse(400, "", "the content has another checksum")
            return
        self.server.objects[oid] = self.body
        self.send(200)

    def commit(self, repo_id, revision):
        if not self.may_write(repo_id):
            return
        repository = self.server.repositories[repo_id]
        files, title = dict(repository.find(revision).files), ""
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                title = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        sha = repository.add_commit(revision, title, files)
        self.send_json(
            {"success": True, "commitOid": sha, "commitUrl": f"{self.server.endpoint}/{repo_id}/commit/{sha}"}
        )

    def refs(self, repo_id):
        if repository := self.repository(repo_id):
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
                for name, sha in repository.branches.items()
            ]
            self.send_json({"branches": branches, "tags": [], "converts": []})

    def info(self, repo_id, revision):
        if commit := self.commit_of(repo_id, revision or "main"):
            siblings = [{"rfilename": name} for name in commit.files]
            self.send_json({"id": repo_id, "sha": commit.sha, "siblings": siblings, "private": False, "tags": []})

    def tree(self, repo_id, revision, folder):
        if commit := self.commit_of(repo_id, revision):
            is_deep = parse_qs(urlsplit(self.path).query.lower()).get("recursive") == ["true"]
            found = {}
            for name, content in commit.files.items():
                for path in [PurePosixPath(name), *PurePosixPath(name).parents][:-1]:
                    above = [str(parent) for parent in path.parents]
                    if (folder or ".") in above if is_deep else above[0] == (folder or "."):
                        found[str(path)] = describe(name, content) if str(path) == name else describe_folder(path)
            self.send_json(list(found.values()))

    def paths_info(self, repo_id, revision):
        if commit := self.commit_of(repo_id, revision):
            paths = parse_qs(self.body.decode())["paths"]
            files = [describe(path, commit.files[path]) for path in paths if path in commit.files]
            folders = [path for path in paths if any(name.startswith(f"{path}/") for name in commit.files)]
            self.send_json(files + list(map(describe_folder, folders)))

    def resolve(self, repo_id, revision, name):
        commit = self.commit_of(repo_id, revision)
        if commit is None:
            return
        if name not in commit.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            self.send(404, b"Entry not found", headers | {"X-Repo-Commit": commit.sha})
            return
        content = commit.files[name]
        is_lfs = name.endswith(LFS_SUFFIXES)
        etag = hashlib.sha256(content).hexdigest() if is_lfs else git_oid(content)
        headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if is_lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self.send(206, content[first : last + 1], headers)
        else:
            self.send(200, content, headers)


def describe(name, content):
    entry = {"type": "file", "path": name, "size": len(content), "oid": git_oid(content)}
    if name.endswith(LFS_SUFFIXES):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
    return entry


def describe_folder(path):
    return {"type": "directory", "path": str(path), "oid": git_oid(str(path).encode())}


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


REPO = r"((?:spaces/|datasets/)?[\w.-]+/[\w.-]+)"
API = rf"/api/(?:models/|(?=spaces/|datasets/)){REPO}"
ROUTES = (
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("POST", r"/api/validate-yaml", Handler.validate_yaml),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", rf"{API}/branch/(.+)", Handler.create_branch),
    ("POST", rf"{API}/preupload/([^/]+)", Handler.preupload),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/objects/(\w+)", Handler.put_object),
    ("POST", rf"{API}/commit/([^/]+)", Handler.commit),
    ("GET", rf"{API}/refs", Handler.refs),
    ("GET", rf"{API}(?:/revision/([^/]+))?", Handler.info),
    ("GET", rf"{API}/tree/([^/]+)(?:/(.+))?", Handler.tree),
    ("POST", rf"{API}/paths-info/([^/]+)", Handler.paths_info),
    (("GET", "HEAD"), rf"/{REPO}/resolve/([^/]+)/(.+)", Handler.resolve),
)
