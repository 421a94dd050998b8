/**
 * Whatever is written to a stats socket: every command with words it does not expect, cut anywhere, in pieces, with bytes
 * that are no text. Nothing may throw (that would be answered as an internal error and logged), each line gets one answer
 * that ends with an empty line, and the connection closes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { CliSession } from '../../lib/runtime-api/cli-session.js';
import { LEVELS, type Level } from '../../lib/runtime-api/command.js';
import { createRegistry } from '../../lib/runtime-api/commands/index.js';
import { CliClient } from '../fixtures/cli-client.js';
import { waitFor } from '../fixtures/wait-for.js';
import { createView } from '../runtime-api/view.js';

t.setTimeout(100_000);

const SEED = Number(process.env.HOLDFAST_FUZZ_SEED ?? 20_260_107);
const RUNS = Number(process.env.HOLDFAST_FUZZ_RUNS ?? 400);
const LIMIT_BYTES = 4096;

const CONFIG = `
global
  stats socket /tmp/none.sock
backend b
  server s 127.0.0.1:1 check agent-check agent-port 1
  stick-table type string len 10 size 10 store gpc(2),server_key,http_req_rate(10s)
frontend f
  bind 127.0.0.1:1
  acl a path -f /list
`;

const registry = createRegistry();
/** `wait` does as it is told. */
const COMMANDS = registry.commands.map(({ words }) => words.join(' ')).filter((name) => name !== 'wait');

const word = fc.oneof(
	fc.constantFrom(
		...[
			'b',
			's',
			'b/s',
			'b/none',
			'#0',
			'#1',
			'#-1',
			'@1',
			'@0',
			'-1',
			'0',
			'1',
			'4294967296',
			'1e9',
			'NaN',
			'%',
			'100%',
		],
		...[
			'key',
			'ptr',
			'0x0',
			'0xffffffffffff',
			'data.gpc0',
			'data.gpc[9]',
			'gt',
			'top',
			'by',
			'json',
			'typed',
			'all',
			'f',
		],
		...[
			'state',
			'weight',
			'addr',
			'port',
			'agent',
			'agent-addr',
			'check-port',
			'health',
			'global',
			'frontend',
			'127.0.0.1',
		],
		...[
			'proc.x',
			'expr',
			'fmt',
			'str(x)',
			'int(',
			'%[src]',
			'__proto__',
			'constructor',
			'<<',
			';',
			'\\',
			'\\\\',
			'../../x',
		],
	),
	fc.string({ unit: 'binary-ascii', maxLength: 12 }),
	fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 }).map((bytes) => String.fromCharCode(...bytes)),
);

/** Words of a command, or nearly; a newline ends a line wherever it stands. */
const line = fc
	.tuple(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...COMMANDS) }, word), fc.array(word, { maxLength: 7 }))
	.map(([command, rest]) => [command, ...rest].join(' ').replaceAll('\n', '\\n'));

t.comment(`seed ${SEED}`);

t.test('words nobody expects', async (t) => {
	const test = createView(CONFIG, new Map([['/list', '/x\n']]));
	test.replies = [{ sessions: [], captures: [], captureCount: 0, count: 0 } as never];
	const bugs: string[] = [];
	let level: Level = 'admin';
	let open = 0;
	const server = createServer({ allowHalfOpen: true }, (socket) => {
		open++;
		new CliSession({
			socket,
			level,
			registry,
			view: () => test.view,
			timeoutMs: 10_000,
			limitBytes: LIMIT_BYTES,
			onBug: (error, command) => bugs.push(`${command}: ${error instanceof Error ? error.stack : String(error)}`),
			onClose: () => {
				open--;
			},
		});
	});
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-'));
	const path = join(folder, 's');
	await new Promise<void>((resolve) => server.listen(path, resolve));
	t.teardown(() => {
		server.close();
		rmSync(folder, { recursive: true, force: true });
	});

	const property = fc.asyncProperty(
		fc.constantFrom(...LEVELS),
		fc.array(line, { minLength: 1, maxLength: 4 }),
		fc.nat({ max: 200 }),
		async (chosen, lines, cut) => {
			level = chosen;
			const text = `${lines.join('\n')}\n`;
			const client = new CliClient(path);
			// In two pieces, and then no more: half a line at the end is no command.
			const at = Math.min(cut, text.length);
			client.send(text.slice(0, at));
			client.socket.end(text.slice(at), 'latin1');
			const answer = await client.all();
			if (bugs.length > 0) throw new Error(`${JSON.stringify(text)}\n${bugs.join('\n')}`);
			// A line that asks for a payload that never comes has no answer; every other has one.
			if (answer !== '' && !answer.endsWith('\n')) throw new Error(`${JSON.stringify(text)}\n${answer.slice(-200)}`);
		},
	);
	await fc.assert(property, { seed: SEED, numRuns: RUNS });
	await waitFor('all sessions to end', () => open === 0);
	t.strictSame(bugs, []);
});

t.test('lines cut before their end', async (t) => {
	const test = createView(CONFIG, new Map([['/list', '/x\n']]));
	const bugs: unknown[] = [];
	const server = createServer({ allowHalfOpen: true }, (socket) => {
		new CliSession({
			socket,
			level: 'admin',
			registry,
			view: () => test.view,
			timeoutMs: 10_000,
			limitBytes: LIMIT_BYTES,
			onBug: (error) => bugs.push(error),
			onClose: () => undefined,
		});
	});
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-fuzz-'));
	await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
	t.teardown(() => {
		server.close();
		rmSync(folder, { recursive: true, force: true });
	});
	const whole = 'show cli level\nset server b/s state maint\n';
	for (let at = 0; at <= whole.length; at++) {
		const client = new CliClient(join(folder, 's'));
		client.socket.end(whole.slice(0, at), 'latin1');
		const lines = whole.slice(0, at).split('\n').length - 1;
		t.equal(await client.all(), ['', 'admin\n\n', 'admin\n\n\n'][lines], `${at} bytes`);
	}
	t.equal(test.told.length, 1, 'half a command does nothing');
	t.strictSame(bugs, []);
});
