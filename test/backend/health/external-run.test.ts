/** Programs as checks: exit codes, time, and what cannot be started; real processes, virtual time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CheckResult } from '../../../lib/backend/health/check-status.js';
import { ExternalRun, firstListener } from '../../../lib/backend/health/external-run.js';
import type { ProxyModel } from '../../../lib/config/model.js';
import { backendModel, serverModel, single, VirtualClock } from '../support.js';

function run(command: string, clock = new VirtualClock()) {
	const { backend } = single(backendModel([serverModel('s1')]));
	let finish: (result: CheckResult) => void = () => undefined;
	const ended = new Promise<CheckResult>((resolve) => {
		finish = resolve;
	});
	const one = new ExternalRun({
		check: { command, path: '/usr/bin:/bin', listener: undefined },
		backend,
		server: backend.servers[0]!,
		clock,
		timeoutMs: 5000,
		done: (result) => finish(result),
	});
	one.start();
	return { one, ended, clock };
}

t.test('exit codes', async (t) => {
	t.match(await run('true').ended, { status: 'PROCOK', code: 0 });
	t.match(await run('false').ended, { status: 'PROCERR', code: 1 });
	const folder = t.testdir();
	const path = join(folder, 'seven.sh');
	writeFileSync(path, '#!/bin/sh\nexit 7\n', { mode: 0o755 });
	t.match(await run(path).ended, { status: 'PROCERR', code: 7 });
	t.match(await run('/nonexistent').ended, { status: 'PROCERR', code: 255 });
});

t.test('time is over, and a check that is cancelled', async (t) => {
	const folder = t.testdir();
	const path = join(folder, 'stubborn.sh');
	writeFileSync(path, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
	const { ended, clock } = run(path);
	clock.advance(5000);
	t.match(await ended, { status: 'PROCTOUT', code: 0, durationMs: 5000 });
	const cancelled = run(path);
	cancelled.one.cancel();
	let said = false;
	void cancelled.ended.then(() => {
		said = true;
	});
	await new Promise((resolve) => setImmediate(resolve));
	t.notOk(said);
});

t.test('where the proxy listens', async (t) => {
	const of = (kind: string, ...addresses: object[]) =>
		firstListener({ kind, binds: addresses.map((address) => ({ address })) } as unknown as ProxyModel);
	t.equal(of('backend'), undefined);
	t.equal(of('listen'), undefined);
	t.same(of('listen', { kind: 'fd', fd: 3 }, { kind: 'ip', address: '::1', port: 80 }), { address: '::1', port: 80 });
	t.same(of('listen', { kind: 'unix', path: '/x' }), { address: '/x', port: undefined });
});
