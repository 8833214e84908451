"""The page reads csv and tsv files as the commands do."""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from processes import REPOSITORY

from hf_brnn.data.files import read_batches
from hf_brnn.data.writers import table_writer

# That of the environment: Node.js 20 reads windows-1252 as latin-1, unlike browsers.
NODE = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

pytestmark = [pytest.mark.node, pytest.mark.skipif(not NODE, reason="needs Node.js")]

READ = """
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { readTable } from "./web/src/csv.js";
const tables = [];
for (const path of JSON.parse(readFileSync(0, "utf8"))) {
  tables.push(await readTable(new File([readFileSync(path)], basename(path))).catch(({ message }) => ({ message })));
}
console.log(JSON.stringify(tables));
"""
WRITE = """
import { readFileSync } from "node:fs";
import { writeTable } from "./web/src/csv.js";
const rows = JSON.parse(readFileSync(0, "utf8")).map((text) => [text]);
const answers = rows.map(() => ({ labels: ["=1+1"], score: -0.5 }));
console.log(JSON.stringify(writeTable({ columns: ["text"], rows }, answers, { columns: ["label", "score"] })));
"""
TWEET = '"{}","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","bob","{}"\n'
# What is in a file, by its name.
FILES = {
    "plain.csv": "text,id\nso happy,1\n\nnever again,2\n",
    "windows line ends.csv": "text,id\r\nso happy,1\r\n\r\nnever,2\r\n",
    "old line ends.csv": "text,id\rso happy,1\rnever,2",
    "mixed line ends.csv": 'text,id\n"so\r\nhappy",1\rnever,2\r\n',
    "one column.csv": 'text\nso happy\n"never, ever"\n\nfine',
    "leading blank lines.csv": "\n  \n\ntext;id\nso happy;1\n",
    "separator line.csv": "sep=;\ntext,id;b\nso,happy;1\n",
    "separator line after blanks.csv": "\r\n\r\nSEP=|\r\ntext|id\r\nso happy|1\r\n",
    "semicolons.csv": 'text;id\nso, happy;1\n"never; ever";2\n',
    "tabs.csv": "text\tid\nso happy\t1\n",
    "bars.csv": "text|id\nso happy|1\n",
    "semicolons with a comma in the header.csv": "text, long;id\nso happy,1\n",
    "upper case.CSV": "text,id\nso happy,1\n",
    "fields.csv": "text,id\nso happy\nso,happy,1\nfine,2\n   \n",
    "quoted lines.csv": 'text,id\n"so\nhappy ""today""",1\nnever,2\n',
    "stray quote.csv": 'text,id\n"so happy,1\nnever,2\nfine",3\ngood,4\n',
    "stray quote to the end.csv": 'text,id\nso happy,1\n"never,2\nfine,3\n\n',
    "stray quote in the last line.csv": 'text,id\nso happy,1\n"never,2',
    "text behind a quote.csv": 'text,id\n"so" happy,1\n"so\nhappy" today,2\nsay "hi",3\nfine,4\n',
    "backslashes.csv": 'text,id\n"say \\"hi\\", Bob",1\n\\"hi\\",2\n"a\\\\ \\" b",3\n"\\"open,4\n',
    "quotes.tsv": 'text\tid\n"so happy\t1\n5" screen\t2\n"never" ever\t3\n',
    "consistent quotes.tsv": 'text\tid\n"so\thappy"\t1\n"never\never"\t2\n',
    "quotes over rows.tsv": 'text\tid\n"so happy\t1\nnever"\t2\n',
    "commas.tsv": "text,id\nso happy,1\n",
    "utf-8 with mark.csv": "\ufefftext,id\ncafé,1\n",
    "repeated.csv": "text,id,text,,text_2,\nso,1,happy,2,3,4\n",
    "taken.csv": "text,label,score\nso happy,1,2\n",
    "too many columns.csv": "a," * 10_000 + "b\n" + "1," * 10_000 + "2\n",
    "empty.csv": "",
    "blank.csv": "\n\n",
    "header alone.csv": "text,id\n",
    "broken header.csv": 'text,"id\nso happy,1\n',
    "only bad rows.csv": "text,id\nso happy\n",
    "original.csv": TWEET.format(0, "so sad, really") + TWEET.format(4, "so happy"),
    "sentence.txt": "so happy\n",
    "no suffix": "text\nso happy\n",
} | {
    "utf-16le.csv": "\ufefftext;id\ncafé 😀;1\n".encode("utf-16le"),
    "utf-16be.csv": "\ufefftext;id\ncafé;1\n".encode("utf-16be"),
    "half a character.csv": "\ufefftext;id\ncafé;1".encode("utf-16le")[:-1],
    "windows-1252.csv": "text,id\ncafé – 5 €,1\n“never”,2\n".encode("cp1252"),
    "windows-1252 without a last line end.csv": b"text,id\n1,caf\xe9",
    "latin-1.csv": b"text,id\ncaf\xe9 \x81\x93,1\nnever,2\n",
    "some bytes not utf-8.csv": "text,id\ncafé,1\nété,2\n".encode()
    + b"caf\xe9,3\n\xef\xbf\xbd,4\n\xed\xa0\x80\xe9,5\n" * 2,
    "utf-8 with mark and other bytes.csv": b"\xef\xbb\xbftext,id\ncaf\xe9,1\nfine,2\n",
    "header not utf-8.csv": b"\xef\xbb\xbft\xe9xt,id\ncaf\xe9,1\n",
    "mark inside.csv": "text,id\n\ufeffcafé,1\n".encode() + b"caf\xe9,2\n",
    "original in latin-1.csv": (TWEET.format(0, "caf\xe9 \x93")).encode("latin-1"),
    "packed.csv.gz": gzip.compress(b"text;id\nso happy;1\n"),
    "packed.tsv.gz": gzip.compress(b"text\tid\nso happy\t1\n"),
    "truncated.csv.gz": gzip.compress(b"text;id\nso happy;1\n" * 100)[:-12],
    "not packed.csv.gz": b"text;id\nso happy;1\n",
    "packed.csv": gzip.compress(b"text;id\nso happy;1\n"),
    "parquet.csv": b"PAR1 and so on",
    "excel.csv": b"PK\x03\x04 and so on",
}
# Each draw makes a file of such pieces.
PIECES = ['"', '"', ",", ",", ";", "\t", "\n", "\n", "\r\n", "\r", "\\", '\\"', "a", "é", " ", ',"', '",', '""']


def random_files(count):
    generator = random.Random(0)
    for number in range(count):
        delimiter = generator.choice(",;\t|")
        content = f"a{delimiter}b\n" + "".join(generator.choices([*PIECES, delimiter], k=generator.randrange(40)))
        content = re.sub(r"\\+(?=[\r\n]|$)", "", content)  # such a backslash escapes the line end
        encoding = generator.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
        yield f"{number}.{generator.choice(['csv', 'tsv'])}", f"{content}\n".encode(encoding)


def read_in_python(path):
    """Returns the columns, the rows and the lines of the bad rows; None if the file is refused or has no row."""
    bad_rows = []
    try:
        tables = [batch.table for batch in read_batches(path, bad_rows.append)]
    except ValueError:
        return None
    if not tables:
        return None
    rows = [[*row.values()] for table in tables for row in table.to_pylist()]
    return tables[0].column_names, rows, [bad_row.number for bad_row in bad_rows]


def read_in_the_page(paths):
    command = [NODE, "--input-type=module", "--eval", READ]
    process = subprocess.run(
        command, cwd=REPOSITORY, input=json.dumps([*map(str, paths)]), capture_output=True, text=True, check=True
    )
    return json.loads(process.stdout)


def test_the_page_reads_files_as_the_commands_do(tmp_path):
    contents = FILES | dict(random_files(300))
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    paths = [tmp_path / name for name in contents if name != "sentence.txt"]
    refused = 0
    for path, table in zip(paths, read_in_the_page(paths)):
        expected = read_in_python(path)
        if expected is None:
            assert table["message"].startswith(path.name), (path.name, table)
            refused += 1
            continue
        assert "message" not in table, (path.name, table, expected)
        found = table["columns"], table["rows"], [row["line"] for row in table["badRows"]]
        assert found == expected, (path.name, path.read_bytes())
    assert 10 < refused < len(paths) / 2


def test_the_page_writes_files_as_the_demo_does(tmp_path):
    texts = [
        "=1+1",
        "+1",
        "-2.5",
        "-2 cups",
        "@bob",
        "\tso",
        "\r\nso",
        "＝1",
        'so, "happy"',
        "a=b",
        "-",
        "1e5",
        "-1e-3",
        "",
    ]
    rows = len(texts)
    with table_writer(tmp_path / "scored.csv", escape_formulas=True) as writer:
        writer.write(pa.table({"text": texts, "label": ["=1+1"] * rows, "score": [-0.5] * rows}))
    command = [NODE, "--input-type=module", "--eval", WRITE]
    ended = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(texts), capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == (tmp_path / "scored.csv").read_bytes().decode()
