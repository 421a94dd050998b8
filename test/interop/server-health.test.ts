/**
 * Checks and agents at run time beside HAProxy's: the same servers, the same commands, the same answers, and then the
 * same state file and the same columns of `show stat`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

/** Nobody listens at `${port2}`; `${port3}` is an origin, `${port4}` and `${port5}` are agents. */
const CONFIG = `
global
  stats socket \${dir}/s level admin
defaults
  mode http
  timeout client 10s
  timeout connect 5s
  timeout server 10s
frontend f
  bind 127.0.0.1:\${port1}
  default_backend b
backend b
  server gone 127.0.0.1:\${port2} check inter 100ms
  server here 127.0.0.1:\${port3} check inter 100ms fall 2 rise 2 agent-check agent-port \${port4} agent-inter 100ms
  server plain 127.0.0.1:\${port3}
backend dead
  server gone 127.0.0.1:\${port2} check inter 100ms
`;

/** An agent that says the same line to all who call, and notes what they send. */
async function agent(t: Teardown, port: number, line: string): Promise<{ readonly heard: string[]; server: Server }> {
	const heard: string[] = [];
	const server = createServer((socket: Socket) => {
		socket.setEncoding('latin1');
		socket.on('data', (text) => heard.push(String(text)));
		socket.on('error', () => undefined);
		socket.end(`${line}\n`);
	});
	await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
	t.teardown(() => void server.close());
	return { heard, server };
}

const ask = (program: Program, command: string) => cli(join(program.folder, 's'), command);

async function stat(program: Program, name: string): Promise<Map<string, string>> {
	const [header = '', ...lines] = (await ask(program, 'show stat')).split('\n');
	const names = header.slice(2).split(',');
	const cells = lines.find((line) => line.startsWith(`${name},`))?.split(',') ?? [];
	return new Map(names.map((column, at) => [column, cells[at] ?? '']));
}

async function becomes(program: Program, name: string, expected: Record<string, RegExp>): Promise<void> {
	await waitFor(`${name} to become ${Object.entries(expected).join()}`, async () => {
		const cells = await stat(program, name);
		return Object.entries(expected).every(([column, pattern]) => pattern.test(cells.get(column) ?? ''));
	});
}

const COMMANDS = [
	'set server b/plain agent up',
	'set server b/plain agent-addr 127.0.0.1',
	'set server b/plain agent-port 1',
	'set server b/plain agent-send x',
	'enable agent b/plain',
	'disable agent b/plain',
	'enable health b/plain',
	'disable health b/plain',
	'set server b/here agent sideways',
	'set server b/here agent-addr',
	'set server b/here agent-addr not.an.address',
	'set server b/here agent-send',
	'set server b/here agent-send hello',
	'set server b/here check-port x',
	'set server b/here check-port 0',
	'set server b/here nonsense',
	'disable agent b/here',
	'enable agent b/here',
];

t.test('checks and agents changed at run time', { skip: skipUnlessHaproxy() }, async (t) => {
	const [gone = 0, origin = 0, first = 0, second = 0] = await freePorts(4);
	await agent(t, origin, 'HTTP/1.0 200 OK\r\n\r\n');
	await agent(t, first, 'up 100%');
	const other = await agent(t, second, 'drain');
	const programs = await Promise.all(
		(['haproxy', 'holdfast'] as const).map(async (program) => {
			const [front = 0] = await freePorts(1);
			return startProgram(t, { config: CONFIG, ports: 5, usePorts: [front, gone, origin, first, second], program });
		}),
	);
	const [haproxy, holdfast] = programs as [Program, Program];

	for (const command of COMMANDS) {
		t.equal((await ask(holdfast, command)).trimEnd(), (await ask(haproxy, command)).trimEnd(), command);
	}

	const agents: ReadonlyMap<string, string>[] = [];
	for (const program of programs) {
		// A first failed check takes a server down that has just started, and is the only one that counts.
		await becomes(program, 'b,gone', { status: /^DOWN$/, chkfail: /^1$/, chkdown: /^1$/, check_status: /L4CON$/ });
		await becomes(program, 'b,here', { status: /^(UP|DRAIN)$/, agent_status: /L7OK$/, agent_health: /^1$/ });
		agents.push(await stat(program, 'b,here'));
		await ask(program, `set server b/here agent-addr 127.0.0.1 port ${second}`);
		await becomes(program, 'b,here', { status: /^DRAIN/ });
		await ask(program, `set server b/here agent-port ${first};set server b/here state ready`);
		await becomes(program, 'b,here', { status: /^UP$/ });
		await ask(program, `set server b/here check-port ${gone}`);
		await becomes(program, 'b,here', { status: /^DOWN$/, chkfail: /^2$/, chkdown: /^1$/ });
		await ask(program, `set server b/here check-port ${origin}`);
		await becomes(program, 'b,here', { status: /^UP$/ });
		// An agent that cannot be reached says nothing, so that what is said for it holds.
		await ask(program, `set server b/here agent-port ${gone}`);
		await becomes(program, 'b,here', { agent_status: /L4CON$/ });
		await ask(program, 'set server b/here agent down');
		await becomes(program, 'b,here', { status: /^DOWN/, chkdown: /^2$/ });
		await ask(program, 'set server b/here agent up');
		await becomes(program, 'b,here', { status: /^UP$/ });
	}
	for (const column of ['last_agt', 'agent_desc', 'agent_code', 'agent_rise', 'agent_fall', 'agent_health']) {
		t.equal(agents[1]?.get(column), agents[0]?.get(column), `an agent that answers: ${column}`);
	}
	t.ok(other.heard.includes('hello'), 'what agent-send says is sent');

	const columns = ['rise', 'fall', 'health'].flatMap((one) => [`check_${one}`, `agent_${one}`]);
	for (const name of ['b,gone', 'b,here', 'b,plain', 'b,BACKEND', 'dead,BACKEND']) {
		const [theirs, ours] = [await stat(haproxy, name), await stat(holdfast, name)];
		for (const column of [...columns, 'status', 'chkfail', 'chkdown', 'last_agt', 'agent_desc', 'check_desc']) {
			t.equal(ours.get(column), theirs.get(column), `${name} ${column}`);
		}
	}
	const state = async (program: Program) =>
		(await ask(program, 'show servers state')).split('\n').map((line) => line.split(' ').toSpliced(9, 1).join(' '));
	// A check that is under way at this moment has no result: read again until none is.
	let seen: string[][] = [];
	await waitFor('the same states', async () => {
		seen = [await state(holdfast), await state(haproxy)];
		return seen[0]?.join('\n') === seen[1]?.join('\n');
	}).catch(() => undefined);
	t.strictSame(seen[0], seen[1]);
});

t.test('downtime is told afterwards, too', { skip: skipUnlessHaproxy() }, async (t) => {
	const [gone = 0, origin = 0, first = 0] = await freePorts(3);
	await agent(t, origin, 'HTTP/1.0 200 OK\r\n\r\n');
	await agent(t, first, 'up');
	for (const program of ['haproxy', 'holdfast'] as const) {
		const [front = 0] = await freePorts(1);
		const started = await startProgram(t, {
			config: CONFIG,
			ports: 5,
			usePorts: [front, gone, origin, first, first],
			program,
		});
		await becomes(started, 'dead,BACKEND', { status: /^DOWN$/, downtime: /^[1-9]/ });
		await ask(started, `set server dead/gone check-port ${origin}`);
		await becomes(started, 'dead,BACKEND', { status: /^UP$/, downtime: /^[1-9]/, chkdown: /^1$/ });
		await becomes(started, 'dead,gone', { status: /^UP$/, downtime: /^[1-9]/, chkdown: /^1$/ });
		await ask(started, 'disable server dead/gone');
		await becomes(started, 'dead,BACKEND', { status: /^DOWN$/, chkdown: /^2$/ });
	}
});
