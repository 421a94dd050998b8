/**
 * The same server as HAProxy picks when servers are busy: `leastconn` and `hash-balance-factor` look at the
 * requests under way. The origins here hold each request until the test lets it go.
 */
import http from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import type { Server } from '../../lib/backend/server.js';
import type { BalanceModel, HashTypeModel } from '../../lib/config/model.js';
import { skipUnlessHaproxy, startHaproxy } from '../fixtures/interop.js';
import { backendModel, FakeRequest, MAP_BASED, single, weighted } from './support.js';

interface Case {
	readonly name: string;
	readonly lines: readonly string[];
	readonly weights: readonly number[];
	readonly balance: BalanceModel;
	readonly hashType?: HashTypeModel;
	readonly factor?: number;
	/** Keys that requests use in turn, scattered. */
	readonly keyCount: number;
}

const header: BalanceModel = { algorithm: 'hdr', name: 'x-key', useDomainOnly: false };
const CASES: Case[] = [];
for (const weights of [
	[1, 1, 1],
	[1, 2, 3],
	[10, 100],
	[3, 1, 1, 5],
	[7, 13, 256],
]) {
	CASES.push({
		name: `leastconn_${weights.join('_')}`,
		lines: ['balance leastconn'],
		weights,
		balance: { algorithm: 'leastconn' },
		keyCount: 1,
	});
}
for (const factor of [101, 125, 150, 200, 400]) {
	for (const weights of [
		[1, 1, 1],
		[1, 2, 3],
	]) {
		CASES.push({
			name: `bounded_${factor}_${weights.join('_')}`,
			lines: ['balance hdr(x-key)', 'hash-type consistent sdbm avalanche', `hash-balance-factor ${factor}`],
			weights,
			balance: header,
			hashType: { method: 'consistent', function: 'sdbm', avalanche: true },
			factor,
			keyCount: 5,
		});
	}
}

/** Answers a request when `finish` is called. */
class Origin {
	readonly #server: http.Server;

	constructor(onRequest: (finish: () => void) => void) {
		this.#server = http.createServer((_request, response) => onRequest(() => response.end('ok')));
	}

	listen(path: string): Promise<void> {
		return new Promise((resolve) => this.#server.listen(path, resolve));
	}

	close(): void {
		this.#server.closeAllConnections();
		this.#server.close();
	}
}

t.test('picks under load', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const serverCount = 4;
	let arrived: (server: string, finish: () => void) => void = () => {};
	const origins = Array.from(
		{ length: serverCount },
		(_, index) => new Origin((finish) => arrived(`s${index + 1}`, finish)),
	);
	const haproxy = await startHaproxy(
		(dir) => `defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend in
  bind unix@${dir}/in.sock
  use_backend %[req.hdr(x-backend)]
${CASES.map((one) => `backend ${one.name}\n${one.lines.map((line) => `  ${line}\n`).join('')}${one.weights.map((weight, index) => `  server s${index + 1} unix@${dir}/o${index + 1}.sock weight ${weight}\n`).join('')}`).join('')}`,
	);
	t.teardown(async () => {
		for (const origin of origins) origin.close();
		await haproxy.stop();
	});
	await Promise.all(origins.map((origin, index) => origin.listen(join(haproxy.dir, `o${index + 1}.sock`))));
	const agent = new http.Agent({ keepAlive: false });

	/** Sends a request; resolves when an origin has it. `done` resolves when the client has the answer. */
	const send = (backend: string, key: string) =>
		new Promise<{ server: string; finish: () => void; done: Promise<void> }>((resolve, reject) => {
			const done = new Promise<void>((ended) => {
				const request = http.get(
					{ socketPath: join(haproxy.dir, 'in.sock'), agent, headers: { 'x-backend': backend, 'x-key': key } },
					(response) => {
						response.resume();
						response.on('close', ended);
					},
				);
				request.on('error', reject);
			});
			arrived = (server, finish) => resolve({ server, finish, done });
		});

	for (const one of CASES) {
		const { backend } = single(
			backendModel(weighted(...one.weights), one.balance, {
				hashType: one.hashType ?? MAP_BASED,
				hashBalanceFactor: one.factor ?? 0,
				hashAffinity: 'always',
			}),
		);
		const theirs: string[] = [];
		const ours: string[] = [];
		const open: { finish: () => void; done: Promise<void>; server: Server }[] = [];
		let state = 12345;
		const random = (below: number) => {
			state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
			return (state >>> 8) % below;
		};
		for (let step = 0; step < 60; step++) {
			if (open.length > 0 && (random(5) < 2 || open.length > 14)) {
				const [closed] = open.splice(random(open.length), 1);
				closed?.finish();
				await closed?.done;
				backend.release(closed?.server as Server);
				continue;
			}
			const key = `k${random(one.keyCount)}`;
			const request = await send(one.name, key);
			theirs.push(request.server);
			const choice = backend.choose(new FakeRequest({ headers: { 'x-key': key } }));
			if (typeof choice === 'string') throw new Error(choice);
			ours.push(choice.name);
			open.push({ ...request, server: choice });
		}
		for (const rest of open) {
			rest.finish();
			await rest.done;
		}
		t.same(ours.join(' '), theirs.join(' '), one.name);
	}
});
