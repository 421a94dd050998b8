/** Whole programs on loopback that share a limit through a real redis-server: traffic, a reload, kills, as an operator has them. */
import { appendFileSync, existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { type RedisServer, skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessRedis();

const config = (redis: RedisServer): string => `
global
  nbthread 2
  master-worker
  log stdout format raw local0 info
  stats socket \${dir}/cli.sock level admin
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
peers cluster
  redis ${redis.url} interval 20ms
  table req.local type string len 32 size 1k expire 10m store http_req_cnt,http_req_rate(10m)
  table marked type string len 32 size 1k expire 10m store gpt0
aggregations sums
  peers cluster
  from .local to .sum
frontend web
  bind 127.0.0.1:\${port1}
  http-request track-sc0 hdr(x-client) table cluster/req.local unless { path /read }
  http-request track-sc1 hdr(x-client) table cluster/marked if { path /mark }
  http-request sc-set-gpt0(1) 5 if { path /mark }
  http-request return status 200 content-type text/plain lf-string "%[hdr(x-client),table_http_req_cnt(cluster/req.local)] %[hdr(x-client),table_http_req_cnt(cluster/req.sum)] %[hdr(x-client),table_http_req_rate(cluster/req.sum)] %[hdr(x-client),table_gpt0(cluster/marked)]"
`;

function request(program: Program, path: string): Promise<number[]> {
	return new Promise((resolve, reject) => {
		const options = { port: program.port(), host: '127.0.0.1', path, headers: { 'x-client': 'alice' }, agent: false };
		const sent = http.get(options, (response) => {
			let text = '';
			response.on('data', (chunk: Buffer) => {
				text += chunk.toString('latin1');
			});
			response.on('end', () => resolve(text.split(' ').map(Number)));
		});
		sent.on('error', reject);
	});
}

function cli(program: Program, command: string): Promise<string> {
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

async function count(program: Program, times: number): Promise<void> {
	for (let i = 0; i < times; i++) await request(program, '/');
}

async function show(programs: readonly Program[], sum: number): Promise<void> {
	const last: number[][] = [];
	try {
		await waitFor(
			`sum ${sum}`,
			async () => {
				for (const [index, program] of programs.entries()) last[index] = await request(program, '/read');
				return last.every(([, found]) => found === sum);
			},
			40_000,
		);
	} catch (error) {
		throw new Error(`${(error as Error).message}: ${JSON.stringify(last)}\n${programs.map(({ stdout }) => stdout)}`);
	}
}

t.test('three load balancers, one Redis', { skip }, async (t) => {
	const redis = await startRedis(t);
	const ports = await freePorts(3);
	const names = ['lb1', 'lb2', 'lb3'];
	const start = (index: number): Promise<Program> =>
		startProgram(t, { config: config(redis), ports: 1, usePorts: [ports[index]!], args: ['-W', '-L', names[index]!] });
	const programs = await Promise.all(names.map((_, index) => start(index)));
	const [lb1, lb2, lb3] = programs as [Program, Program, Program];
	await Promise.all(programs.map((program, index) => count(program, index + 1)));
	await show(programs, 6);
	await request(lb1, '/mark');
	await waitFor('the mark', async () => (await request(lb3, '/read'))[3] === 5);
	await show(programs, 7);
	t.match(await cli(lb2, 'show aggregations'), /origin lb1\(direct\).* lag=\S+ via=redis/);
	t.match(
		await cli(lb2, 'show peers'),
		/redis redis:\/\/127\.0\.0\.1:\d+: state=READY node=lb2\(writing\) interval=20ms/,
	);
	t.match(await cli(lb2, 'show peers'), /node lb3\(alive\) entries=1 lag=/);

	await t.test('a reload under way loses and doubles nothing', async (t) => {
		appendFileSync(lb1.configPath, '  # another line\n');
		const traffic = count(lb1, 30);
		lb1.child.kill('SIGUSR2');
		await traffic;
		await count(lb2, 2);
		await show(programs, 39);
		t.same((await request(lb1, '/read'))[0], 32);
	});

	await t.test('Redis is killed, and starts anew with nothing', async () => {
		await redis.kill();
		await count(lb1, 3);
		await count(lb3, 1);
		await redis.start();
		await show(programs, 43);
	});

	await t.test('a load balancer is killed, and gets its share back', async (t) => {
		await waitFor('all told', async () => /behind=0 [^\n]*\n/.test(await cli(lb1, 'show peers')));
		const { workers } = lb1;
		// The master first, or it starts another worker.
		lb1.child.kill('SIGKILL');
		await lb1.exited();
		for (const pid of workers) process.kill(pid, 'SIGKILL');
		await waitFor('the worker to be gone', () => !workers.some((pid) => existsSync(`/proc/${pid}`)));
		await count(lb2, 1);
		const again = await start(0);
		await show([again, lb2, lb3], 44);
		t.equal((await request(again, '/read'))[0], 35);
		await again.stop('SIGUSR1');
		const third = await start(0);
		await count(third, 1);
		await show([third, lb2, lb3], 45);
	});
});
