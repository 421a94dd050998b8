/**
 * The story of the manual: an active and a standby load balancer in front of the same server, with a rate limit by
 * stick table and a peers section. The active one counts a client over its limit and is killed; the standby, which
 * never saw the client, goes on refusing it. Once with two Holdfasts, once with each and HAProxy.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const LIMIT = 20;

/** `port1` serves; the ports of the peers and of the origin are given. */
const config = (name: string, peers: readonly number[], origin: number): string => `
global
  localpeer ${name}
  ${name === 'active' ? 'nbthread 2' : 'nbthread 1'}
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
peers cluster
  peer active 127.0.0.1:${peers[0]}
  peer standby 127.0.0.1:${peers[1]}
frontend web
  bind 127.0.0.1:\${port1}
  stick-table type string len 32 size 10k expire 10m store http_req_rate(10m),gpc0 peers cluster
  http-request track-sc0 hdr(x-client)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${LIMIT} }
  default_backend app
backend app
  server origin 127.0.0.1:${origin}
`;

async function request(port: number, client: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const asked = http.get({ port, host: '127.0.0.1', headers: { 'x-client': client }, agent: false }, (response) => {
			response.resume();
			response.on('end', () => resolve(response.statusCode ?? 0));
		});
		asked.on('error', reject);
	});
}

for (const [active, standby] of [
	['holdfast', 'holdfast'],
	['haproxy', 'holdfast'],
	['holdfast', 'haproxy'],
] as const) {
	const skip = active === 'haproxy' || standby === 'haproxy' ? skipUnlessHaproxy() : false;
	t.test(`active ${active}, standby ${standby}`, { skip }, async (t) => {
		const origin = http.createServer((_request, response) => response.end('hello'));
		await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
		t.teardown(() => {
			origin.close();
			origin.closeAllConnections();
		});
		const peers = await freePorts(2);
		const { port: originPort } = origin.address() as AddressInfo;
		const start = (name: string, program: 'holdfast' | 'haproxy'): Promise<Program> =>
			startProgram(t, { config: config(name, peers, originPort), ports: 1, program });
		const first = await start('active', active);
		const second = await start('standby', standby);

		t.equal(await request(first.port(), 'greedy'), 200);
		for (let i = 1; i < LIMIT; i++) await request(first.port(), 'greedy');
		await waitFor('the active one to refuse', async () => (await request(first.port(), 'greedy')) === 429);
		// Asking the standby counts there as well: it must refuse long before its own count alone would.
		let asked = 0;
		await waitFor('the standby to know', async () => {
			if (++asked > LIMIT / 2) throw new Error('the standby was not told');
			await request(first.port(), 'greedy');
			await new Promise((resolve) => setTimeout(resolve, 100));
			return (await request(second.port(), 'greedy')) === 429;
		});
		t.equal(await request(second.port(), 'modest'), 200, 'another client is served');
		await first.stop('SIGKILL');
		t.equal(await request(second.port(), 'greedy'), 429, 'the standby goes on refusing');
		t.equal(await request(second.port(), 'modest'), 200);
	});
}

t.test('Holdfast is reloaded under a HAProxy that follows it', { skip: skipUnlessHaproxy() }, async (t) => {
	const origin = http.createServer((_request, response) => response.end('hello'));
	await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		origin.close();
		origin.closeAllConnections();
	});
	const peers = await freePorts(2);
	const { port: originPort } = origin.address() as AddressInfo;
	const first = await startProgram(t, { config: config('active', peers, originPort), ports: 1, args: ['-W', '-db'] });
	const second = await startProgram(t, { config: config('standby', peers, originPort), ports: 1, program: 'haproxy' });
	// Both have told each other what they know: from here on one teaches and the other follows.
	for (let i = 0; i <= LIMIT; i++) await request(first.port(), 'first');
	await waitFor('the standby to follow', async () => (await request(second.port(), 'first')) === 429);
	for (let round = 0; round < 3; round++) {
		for (let i = 0; i < 4; i++) t.equal(await request(first.port(), 'steady'), 200);
		const lines = first.stderr.length;
		first.child.kill('SIGUSR2');
		await waitFor('the reload', () => /[Ll]oading success|reloaded|[Rr]eload/.test(first.stderr.slice(lines)));
	}
	// Twelve counted before and between; the limit is twenty, whatever generation counts.
	let served = 12;
	while ((await request(first.port(), 'steady')) === 200) served++;
	t.equal(served, LIMIT, 'no count was lost or doubled by three reloads');
	let asked = 0;
	await waitFor('the standby to know', async () => {
		if (++asked > LIMIT / 2) throw new Error('the standby was not told');
		await request(first.port(), 'steady');
		await new Promise((resolve) => setTimeout(resolve, 200));
		return (await request(second.port(), 'steady')) === 429;
	});
});
