/**
 * Three load balancers in a mesh, clients spread over all of them, and sums: what each node says of a client is
 * what the clients were answered, to the request, also after one of them was killed and came back. And a limit
 * over all of them.
 */
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const NAMES = ['lb1', 'lb2', 'lb3'] as const;
const LIMIT = 100;

/** A request to `/` is counted, one to `/read` asks; over the limit, in ten seconds and over all nodes, is refused. */
const config = (name: string, peers: readonly number[]): string => `
global
  localpeer ${name}
  nbthread 2
  stats socket \${dir}/cli.sock
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
peers mesh
${NAMES.map((peer, index) => `  peer ${peer} 127.0.0.1:${peers[index]}`).join('\n')}
  table req.local type string len 32 size 10k expire 10m store http_req_cnt,http_req_rate(10s),gpc0
aggregations sums
  peers mesh
  from .local to .sum
frontend web
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[hdr(x-client),table_http_req_cnt(mesh/req.local)] %[hdr(x-client),table_http_req_cnt(mesh/req.sum)]" if { path /read }
  http-request track-sc0 hdr(x-client) table mesh/req.local
  http-request deny deny_status 429 if { path /limited } { sc_http_req_rate(0,mesh/req.sum) gt ${LIMIT} }
  http-request return status 200 content-type text/plain string ok
`;

interface Answer {
	readonly status: number;
	readonly body: string;
}

function request(agent: http.Agent, port: number, path: string, client: string): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const asked = http.get({ port, host: '127.0.0.1', path, agent, headers: { 'x-client': client } }, (response) => {
			let body = '';
			response.on('data', (chunk: Buffer) => {
				body += chunk.toString('latin1');
			});
			response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
			response.on('error', reject);
		});
		asked.on('error', reject);
	});
}

t.test('three nodes in a mesh', async (t) => {
	const agent = new http.Agent({ keepAlive: false });
	const peers = await freePorts(3);
	const start = (index: number, usePorts?: readonly number[]): Promise<Program> =>
		startProgram(t, {
			config: config(NAMES[index]!, peers),
			ports: 1,
			...(usePorts === undefined ? {} : { usePorts }),
			args: ['-W', '-db'],
		});
	const nodes = await Promise.all(NAMES.map((_, index) => start(index)));
	const clients = Array.from({ length: 8 }, (_, i) => `client${i}`);
	/** Answers that clients have got, by client. */
	const answered = new Map<string, number>(clients.map((client) => [client, 0]));

	const ask = async (node: Program, client: string): Promise<void> => {
		const { status } = await request(agent, node.port(), '/', client);
		if (status === 200) answered.set(client, answered.get(client)! + 1);
	};
	const traffic = async (on: readonly Program[], rounds: number): Promise<void> => {
		for (let round = 0; round < rounds; round++) {
			await Promise.all(clients.map((client, i) => ask(on[(i + round) % on.length]!, client)));
		}
	};
	const sums = async (node: Program): Promise<number[]> => {
		const bodies = await Promise.all(clients.map((client) => request(agent, node.port(), '/read', client)));
		return bodies.map(({ body }) => Number(body.split(' ')[1]));
	};
	const expectSums = async (what: string): Promise<void> => {
		const expected = [...answered.values()];
		for (const [index, node] of nodes.entries()) {
			let last: number[] = [];
			try {
				await waitFor(what, async () => {
					last = await sums(node);
					return String(last) === String(expected);
				});
			} catch {
				t.same(last, expected, `${what}: ${NAMES[index]}`);
				continue;
			}
			t.pass(`${what}: ${NAMES[index]}`);
		}
	};

	await traffic(nodes, 15);
	await expectSums('after traffic everywhere');

	// Killed in quiet: all it has counted has left it. It comes back, and counts at once.
	const [, second] = nodes;
	const killed = second!;
	const workerPid = Number(/^Pid: (\d+)$/m.exec(await askCli(killed, 'show info'))?.[1]);
	// The worker first, or it hears of its master's end and leaves in order; the master then before it starts another.
	process.kill(workerPid, 'SIGKILL');
	await killed.stop('SIGKILL');
	await waitFor('its address to be free', async () => !(await isServed(agent, killed.port())));
	await traffic([nodes[0]!, nodes[2]!], 5);
	nodes[1] = await start(1, killed.ports);
	await traffic(nodes, 10);
	await expectSums('after one was killed and came back');
	const own = (await request(agent, nodes[1]!.port(), '/read', clients[0]!)).body.split(' ').map(Number);
	t.ok(own[0]! > 0 && own[0]! < own[1]!, 'its own table has its own share');

	// A reload under traffic.
	nodes[0]!.child.kill('SIGUSR2');
	await traffic(nodes, 10);
	await expectSums('after a reload under traffic');

	// One client spread over all nodes: refused at the limit, plus what was under way.
	let served = 0;
	let refused = 0;
	while (refused < 20) {
		const answers = await Promise.all(nodes.map((node) => request(agent, node.port(), '/limited', 'greedy')));
		for (const { status } of answers) {
			if (status === 200) served++;
			else refused++;
		}
		if (served + refused > 3 * LIMIT) break;
	}
	t.ok(served >= LIMIT, `${served} were served`);
	// What the lag of a busy machine lets through is not for a test; each node for itself would let 300 through.
	t.ok(served < 1.5 * LIMIT, `refused after ${served}, the limit is ${LIMIT}`);
	for (const node of nodes) t.notMatch(node.stdout + node.stderr, /exception|rejection/);
});

function askCli(program: Program, command: string): Promise<string> {
	return new Promise((resolve, reject) => {
		let answer = '';
		const socket = net.connect(join(program.folder, 'cli.sock'), () => socket.write(`${command}\n`));
		socket.on('data', (chunk) => {
			answer += chunk.toString('latin1');
		});
		socket.on('error', reject);
		socket.on('close', () => resolve(answer));
	});
}

async function isServed(agent: http.Agent, port: number): Promise<boolean> {
	try {
		await request(agent, port, '/read', 'nobody');
		return true;
	} catch {
		return false;
	}
}
