/** What follows from checks, on virtual time: states all threads see, followers, slow start, observed errors, reloads. */
import t from 'tap';
import { Backend } from '../../../lib/backend/backend.js';
import type { CheckResult, CheckStatus } from '../../../lib/backend/health/check-status.js';
import { type MonitorHost, ServerMonitor } from '../../../lib/backend/health/server-monitor.js';
import type { ServerHealthModel } from '../../../lib/config/health-model.js';
import { NO_HEALTH } from '../../../lib/config/keywords/server-checks.js';
import { ServerAdmin, ServerOperation } from '../../../lib/shared/server-state.js';
import { backendModel, serverModel, VirtualClock } from '../support.js';

function farm(health: Partial<ServerHealthModel> = {}) {
	const clock = new VirtualClock();
	const servers = ['s1', 's2'].map((name) => serverModel(name, { check: true, health: { ...NO_HEALTH, ...health } }));
	const model = backendModel(servers, undefined, { options: { logHealthChecks: false } as never, kind: 'backend' });
	const state = Backend.allocateState(model, 1, clock.monotonicMs());
	const backend = new Backend({ model, state, threadIndex: 0, threadCount: 1, clock, wake: () => {}, fullconn: 10 });
	const lines: string[] = [];
	const ended: string[] = [];
	const failures: string[] = [];
	const host: MonitorHost = {
		log: (_backend, level, line) => lines.push(`${level} ${line.split('.')[0]}`),
		changed: () => {},
		shutdownSessions: (_backend, server, cause) => ended.push(`${server.name} ${cause}`),
		failed: (_backend, server, by) => failures.push(`${server.name} ${by}`),
	};
	const monitors = backend.servers.map((server) => new ServerMonitor(backend, server, clock, host));
	const [first, second] = monitors as [ServerMonitor, ServerMonitor];
	return { clock, backend, first, second, lines, ended, failures };
}

const result = (status: CheckStatus): CheckResult => ({ status, code: 0, info: '', durationMs: 1 });
const check = (monitor: ServerMonitor, ...statuses: CheckStatus[]): void => {
	for (const status of statuses) monitor.checked(result(status));
};

t.test('down, up, and who is told', async (t) => {
	const { first, second, lines, ended, backend } = farm({ shutdownWhenDown: true });
	first.addFollower(second);
	check(first, 'L4OK', 'L4CON', 'L4CON');
	t.ok(first.isRunning);
	check(first, 'L4CON');
	t.notOk(first.isRunning);
	t.notOk(second.isRunning, 'its follower too');
	t.equal(backend.usableServerCount(), 0);
	check(first, 'L4OK', 'L4OK');
	t.ok(second.isRunning);
	t.same(lines, [
		'1 Server app/s1 is DOWN, reason: Layer4 connection problem, check duration: 1ms',
		'1 Server app/s2 is DOWN via app/s1',
		'0 backend app has no server available!',
		'5 Server app/s1 is UP, reason: Layer4 check passed, check duration: 1ms',
		'5 Server app/s2 is UP via app/s1',
	]);
	t.same(ended, ['s1 D', 's2 D']);
});

t.test('a slow start grows from its first percent to all', async (t) => {
	const { first, clock, backend } = farm({ slowstartMs: 1000 });
	const { states } = first.server;
	check(first, 'L4CON');
	t.equal(states.warmup(0), 0, 'none before it was down');
	check(first, 'L4OK', 'L4OK');
	t.equal(states.warmup(0), 1);
	clock.advance(500);
	t.equal(states.warmup(0), 50);
	const turns = Array.from({ length: 30 }, () => {
		const request = { view: {}, persistentServer: undefined, serverAssigned() {}, queueTimedOut() {}, serverLost() {} };
		const server = backend.choose(request as never);
		return typeof server === 'string' ? server : server.name;
	});
	t.equal(turns.filter((name) => name === 's1').length, 10, 'half of the share of the other');
	clock.advance(600);
	t.equal(states.warmup(0), 0, 'all of it');
});

t.test('observed errors', async (t) => {
	for (const [onError, isRunning] of [
		['fastinter', true],
		['fail-check', true],
		['sudden-death', false],
		['mark-down', false],
	] as const) {
		const { first } = farm({ observe: 'layer7', onError });
		check(first, 'L7OK');
		first.observedErrors('invalid response');
		t.equal(first.isRunning, isRunning, onError);
		t.ok(first.hurried, 'the next check comes sooner');
	}
	const { first } = farm({ observe: 'layer7', errorLimit: 3 });
	const { server } = first;
	for (let i = 0; i < 2; i++) server.observed('layer7', true);
	server.observed('layer4', true);
	t.equal(server.states.observedErrors(0), 2, 'of its own layer');
	server.observed('layer7', false);
	t.equal(server.states.observedErrors(0), 0, 'in a row');
});

t.test('an agent drains, stops and brings back', async (t) => {
	const { first, lines } = farm({ agentCheck: true });
	const say = (text: string): void => first.agentReplied(text, 1);
	say('up 50%');
	t.equal(first.server.effectiveWeight(), 1, 'never less than one of a weight of one');
	say('drain');
	t.ok(first.isRunning);
	t.notOk(first.server.isUsable());
	say('stopped # by hand');
	t.notOk(first.isRunning);
	say('ready up');
	t.ok(first.server.isUsable());
	t.same(lines, [
		'5 Server app/s1 enters drain state',
		'5 Server app/s1 is DOWN, reason: Layer7 wrong status, code: 0, info: "via agent : stopped (by hand)", check duration: 1ms',
		'5 Server app/s1 remains in forced drain mode',
		'5 Server app/s1 is DOWN (leaving forced drain)',
		'5 Server app/s1 is UP, reason: Layer7 check passed, code: 0, info: "via agent : up", check duration: 1ms',
	]);
});

t.test('a reload forgets nothing', async (t) => {
	const before = farm();
	check(before.first, 'L4OK', 'L4CON', 'L4CON', 'L4CON');
	check(before.second, 'L4OK', 'L4CON');
	const after = farm();
	after.first.takeOver(before.first);
	after.second.takeOver(before.second);
	t.notOk(after.first.isRunning, 'who was down stays down');
	t.ok(after.second.isRunning);
	t.equal(after.second.health.toString(), '2/3 UP', 'and failures count on');
	t.same(after.lines, [], 'nothing has happened');
	check(after.first, 'L4OK', 'L4OK');
	t.ok(after.first.isRunning);
});

t.test('failed checks are counted while the server has health to lose', async (t) => {
	const { first, failures } = farm();
	check(first, 'L4OK', 'L4CON', 'L4CON', 'L4CON', 'L4CON', 'L4CON');
	t.same(failures, ['s1 check', 's1 check', 's1 check']);
	first.observedErrors('failed connection');
	t.equal(failures.at(-1), 's1 traffic');
});

t.test('what is said for an agent holds until it speaks itself', async (t) => {
	const { first, lines } = farm({ agentCheck: true });
	first.forceAgent(false);
	t.notOk(first.isRunning);
	check(first, 'L4OK');
	t.notOk(first.isRunning, 'good checks do not help');
	first.forceAgent(true);
	t.ok(first.isRunning);
	t.equal(lines.at(-1), '5 Server app/s1 is UP, changed from CLI');
	first.agentReplied('down', 1);
	t.notOk(first.isRunning);
});

t.test(
	'a server that cannot be reached in time may have moved: its name is asked for; in maintenance nothing is',
	async (t) => {
		const { clock, backend } = farm();
		const asked: string[] = [];
		const host = { log: () => {}, changed: () => {}, shutdownSessions: () => {}, failed: () => {} };
		const monitor = new ServerMonitor(backend, backend.servers[0]!, clock, {
			...host,
			unreachable: (server) => asked.push(server.name),
		});
		check(monitor, 'L4OK', 'L4CON', 'L7TOUT', 'L4TOUT');
		t.same(asked, ['s1']);
		backend.states.setAdmin(0, 0x20, clock.monotonicMs());
		const health = monitor.health.value;
		check(monitor, 'L4TOUT', 'L4OK');
		t.same(asked, ['s1']);
		t.equal(monitor.health.value, health, 'no address, no verdict');
	},
);

t.test('administration: the lines, levels and followers of HAProxy 2.6, command by command', async (t) => {
	const { first, second, lines, ended } = farm({ shutdownWhenDown: true });
	first.addFollower(second);
	const { states } = first.server;
	const { FORCED_MAINT, FORCED_DRAIN } = ServerAdmin;
	const said = (act: () => void, ...expected: string[]): void => {
		lines.length = 0;
		act();
		t.same(lines, expected);
	};
	const own = (flags: number) => (): void => first.administer(flags);
	said(
		own(FORCED_MAINT),
		'1 Server app/s1 is going DOWN for maintenance',
		'1 Server app/s2 is going DOWN for maintenance via app/s1',
		'0 backend app has no server available!',
	);
	t.same(ended, ['s1 D', 's2 D']);
	t.notOk(second.isRunning);
	said(own(FORCED_MAINT));
	said(() => first.forceHealth(ServerOperation.DOWN));
	said(
		own(0),
		'5 Server app/s1 is UP/READY (leaving forced maintenance)',
		'5 Server app/s2 is UP/READY (leaving maintenance)',
	);
	t.ok(second.isRunning);
	said(
		own(FORCED_DRAIN),
		'5 Server app/s1 enters drain state',
		'5 Server app/s2 enters drain state via app/s1',
		'0 backend app has no server available!',
	);
	said(
		own(FORCED_MAINT | FORCED_DRAIN),
		'5 Server app/s1 is going DOWN for maintenance',
		'5 Server app/s2 is going DOWN for maintenance via app/s1',
	);
	said(
		own(FORCED_DRAIN),
		'5 Server app/s1 is UP/DRAIN (leaving forced maintenance)',
		'5 Server app/s1 remains in forced drain mode',
		'5 Server app/s2 is UP/DRAIN (leaving maintenance)',
	);
	said(
		() => first.forceHealth(ServerOperation.DOWN),
		'5 Server app/s1 is DOWN, changed from CLI',
		'5 Server app/s1 remains in forced drain mode',
		'5 Server app/s2 is DOWN via app/s1',
		'5 Server app/s2 remains in forced drain mode',
	);
	said(own(0), '5 Server app/s1 is DOWN (leaving forced drain)', '5 Server app/s2 is DOWN (leaving forced drain)');
	said(
		own(FORCED_MAINT),
		'5 Server app/s1 was DOWN and now enters maintenance',
		'5 Server app/s2 was DOWN and now enters maintenance via app/s1',
	);
	second.administer(states.admin(1) | FORCED_MAINT);
	said(
		own(0),
		'5 Server app/s1 is UP/READY (leaving forced maintenance)',
		'5 Server app/s2 remains in forced maintenance',
	);
	t.ok(first.health.isUp, 'until a check says otherwise');
	check(first, 'L4CON');
	t.notOk(first.isRunning);
});

t.test('a form of the page has changed the state already: its lines follow', async (t) => {
	const { first, lines } = farm();
	const { states } = first.server;
	states.setAdmin(0, ServerAdmin.FORCED_MAINT, 1);
	first.administered(0, ServerOperation.UP);
	t.same(lines, ['1 Server app/s1 is going DOWN for maintenance']);
	states.setAdmin(0, 0, 2);
	states.setOperation(0, ServerOperation.DOWN, 2);
	first.forceHealth(ServerOperation.DOWN, ServerOperation.UP);
	t.equal(lines[1], '1 Server app/s1 is DOWN, changed from CLI');
});

t.test(
	'a server that is disabled in the file is checked once it is enabled, and takes its followers along',
	async (t) => {
		const { first, second } = farm();
		first.addFollower(second);
		const { states } = first.server;
		states.setAdmin(0, ServerAdmin.FORCED_MAINT | ServerAdmin.CONFIG_MAINT, 1);
		first.begin();
		t.notOk(second.isRunning);
		first.administer(states.admin(0) & ~ServerAdmin.FORCED_MAINT);
		t.ok(second.isRunning);
		check(first, 'L4CON', 'L4CON', 'L4CON');
		t.notOk(first.isRunning);
	},
);
