/** `holdfast top` beside the real program: on paper, and on a terminal that `script` (bsdutils) makes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { type Command, plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

const CONFIG = `
global
  stats socket \${dir}/s level operator
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 2s
backend t_path
  stick-table type string len 32 size 10 expire 10m store http_req_rate(10m),gpc0
frontend f
  bind 127.0.0.1:\${port1}
  http-request track-sc0 path table t_path
  http-request return status 204 unless { path /origin }
  default_backend b
backend b
  server one 127.0.0.1:\${port2}
`;

const program = await startProgram(t, { config: CONFIG, ports: 2 });
for (const path of ['/hot', '/hot', '/hot', '/cold']) await request(program.port(), path);
const top = (...words: string[]) => plainNode([HOLDFAST, 'top', '-f', program.configPath, ...words]);

t.test('without a terminal it prints once', (t) => {
	const { stdout, stderr, status } = spawnSync(...top('-d', '100ms'), { encoding: 'latin1' });
	t.equal(status, 0, stderr);
	t.match(stdout, /^Holdfast .* threads /);
	t.match(stdout, /TABLES 1, by fill\n.*\nt_path +string +\[##\.{8}\] +20% +2 +10 /);
	t.match(stdout, /KEYS 2, by rate\n.*\n\/hot .* 3 .*http_req_rate.*\n\/cold .* 1 /);
	t.match(stdout, /\nb\/one +no check/);
	t.notMatch(stdout, '\x1b');
	t.end();
});

t.test('in batch mode it prints again and again; one view, one order', (t) => {
	const words = top('--batch', '-n', '2', '-d', '100ms', '--view', 'keys', '--sort', 'key');
	const { stdout, status } = spawnSync(...words, { encoding: 'latin1' });
	t.equal(status, 0);
	t.equal(stdout.match(/KEYS 2, by key\n.*\n\/cold .*\n\/hot /g)?.length, 2);
	t.notMatch(stdout, /TABLES/);
	t.end();
});

t.test('what it cannot do it says', (t) => {
	const wrong = spawnSync(...top('--sort', 'beauty'), { encoding: 'latin1' });
	t.equal(wrong.status, 1);
	t.match(wrong.stderr, /'beauty' is no order of this view, which has: fill, used/);
	const away = spawnSync(...plainNode([HOLDFAST, 'top', '--once', '-s', join(program.folder, 'none')]), {
		encoding: 'latin1',
	});
	t.equal(away.status, 1);
	t.match(away.stderr, /ENOENT/);
	t.end();
});

const quoted = (words: readonly string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');

/** A terminal of 80 by 24, with top in it and then what `stty` finds. */
class Terminal {
	readonly child: ChildProcess;
	output = '';
	exited = false;

	constructor([program, words]: Command, environment: NodeJS.ProcessEnv = {}) {
		const command = `stty cols 80 rows 24; stty -g; ${quoted([program, ...words])}; echo left with $?; stty -g`;
		this.child = spawn('script', ['-qec', command, '/dev/null'], {
			stdio: ['pipe', 'pipe', 'inherit'],
			env: { ...process.env, TERM: 'xterm', NO_COLOR: '', ...environment },
		});
		this.child.stdout?.setEncoding('latin1').on('data', (text: string) => {
			this.output += text;
		});
		this.child.once('exit', () => {
			this.exited = true;
		});
	}

	type(keys: string): void {
		this.child.stdin?.write(keys);
	}

	/** The screen that was drawn last and wholly, as lines without colours. */
	lines(): string[] {
		const drawn = this.output.split('\x1b[H').findLast((frame) => frame.includes('\x1b[J')) ?? '';
		return drawn.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, '').split(/\r+\n/);
	}

	shows(pattern: RegExp): Promise<boolean> {
		return waitFor(`${pattern} on\n${this.lines().join('\n')}`, () => this.lines().some((line) => pattern.test(line)));
	}

	/** The shell's screen and the terminal's settings are back. */
	async isAsBefore(): Promise<number> {
		const code = await waitFor(
			`top to leave: ${this.output.slice(-300)}`,
			() => /left with (\d+)/.exec(this.output)?.[1],
		);
		await waitFor('script to leave', () => this.exited);
		const [before, after] = this.output.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? [];
		t.ok(before !== undefined && before === after, 'settings of the terminal');
		t.equal(this.output.match(/\x1b\[\?1049h/g)?.length, this.output.match(/\x1b\[\?1049l/g)?.length, 'screen');
		t.ok(this.output.lastIndexOf('\x1b[?25h') > this.output.lastIndexOf('\x1b[?25l'), 'cursor');
		return Number(code);
	}
}

t.test('on a terminal', async (t) => {
	const terminal = new Terminal(top('-d', '200ms'));
	t.teardown(() => terminal.child.kill('SIGKILL'));
	await terminal.shows(/^\/hot +\S+ +3 /);
	t.equal(terminal.lines().length, 24);
	t.match(terminal.output, '\x1b[32m', 'in colours');
	await request(program.port(), '/hot');
	await terminal.shows(/^\/hot +\S+ +4 /);
	terminal.type('s');
	await waitFor('servers alone', () => {
		const headings = terminal.lines().filter((line) => /^[A-Z]+ \d+, by /.test(line));
		return headings.length === 1 && headings[0] === 'SERVERS 2, by state';
	});
	terminal.type('or');
	await terminal.shows(/^SERVERS 2, by requests reversed/);
	terminal.type(' ');
	await terminal.shows(/^PAUSED /);
	terminal.type('q');
	t.equal(await terminal.isAsBefore(), 0);
});

t.test('a terminal that changes its size', async (t) => {
	const terminal = new Terminal(top('-d', '200ms'));
	t.teardown(() => terminal.child.kill('SIGKILL'));
	await terminal.shows(/^\/hot /);
	const device = readlinkSync(`/proc/${topOf(terminal)}/fd/1`);
	spawnSync('stty', ['-F', device, 'cols', '50', 'rows', '12']);
	await waitFor('a smaller screen', () => terminal.lines().length === 12);
	t.ok(terminal.lines().every((line) => line.length <= 50));
	terminal.type('\x03');
	t.equal(await terminal.isAsBefore(), 0);
});

t.test('ended by a signal', async (t) => {
	const terminal = new Terminal(top('-d', '200ms'));
	t.teardown(() => terminal.child.kill('SIGKILL'));
	await terminal.shows(/^\/hot /);
	process.kill(topOf(terminal), 'SIGTERM');
	t.equal(await terminal.isAsBefore(), 143);
});

/** The process that `script` has started, and the shell after it. */
function topOf({ child }: Terminal): number {
	let found = [child.pid ?? 0];
	while (found.length > 0) {
		const top = found.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(process.execPath));
		if (top !== undefined) return top;
		found = found.flatMap((pid) =>
			readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
		);
	}
	throw new Error('top is not there');
}

t.test('NO_COLOR', async (t) => {
	const terminal = new Terminal(top('-d', '200ms'), { NO_COLOR: '1' });
	t.teardown(() => terminal.child.kill('SIGKILL'));
	await terminal.shows(/^\/hot /);
	terminal.type('q');
	t.equal(await terminal.isAsBefore(), 0);
	t.notMatch(terminal.output.replaceAll('\x1b[0m', ''), /\x1b\[[0-9;]*m/);
});

t.test('a program that goes away while one looks', async (t) => {
	const terminal = new Terminal(top('-d', '200ms'));
	t.teardown(() => terminal.child.kill('SIGKILL'));
	await terminal.shows(/^\/hot /);
	await program.stop();
	await terminal.shows(/trying again$/);
	t.ok(
		terminal.lines().some((line) => line.startsWith('/hot')),
		'what was last seen stays',
	);
	terminal.type('q');
	t.equal(await terminal.isAsBefore(), 0);
});
