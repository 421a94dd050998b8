import t from 'tap';
import type { Server } from '../../lib/backend/server.js';
import type { ServerModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { ServerAdmin, ServerOperation } from '../../lib/shared/server-state.js';
import { backendModel, serverModel, single } from './support.js';

function server(fields: Partial<ServerModel>): Server {
	return single(backendModel([serverModel('s1', fields)]), {
		resolved: new Map([['s1', { address: '203.0.113.9', family: 4 }]]),
	}).backend.servers[0] as Server;
}

const client = { destination: IpAddress.parse('198.51.100.7'), destinationPort: 8080 };
const unixClient = { destination: undefined, destinationPort: 0 };
const ip = (address: string, port: number) => ({ kind: 'ip', address, family: 4, port }) as const;
const tcp = (host: string, port: number, family = 4) => ({ kind: 'tcp', host, port, family });

t.test('where to connect, for fixed and relative addresses and ports', async (t) => {
	t.same(server({}).destinationFor(client), tcp('192.0.2.1', 80));
	t.same(server({ portOffset: 1 }).destinationFor(client), tcp('192.0.2.1', 8081));
	t.same(server({ portOffset: -80 }).destinationFor(client), tcp('192.0.2.1', 8000));
	t.same(server({ portOffset: 0 }).destinationFor(client), tcp('192.0.2.1', 8080), 'no port at all');
	t.equal(server({ portOffset: -8080 }).destinationFor(client), undefined, 'port 0');
	t.equal(server({ portOffset: 60000 }).destinationFor(client), undefined, 'over 65535');
	t.equal(server({ portOffset: 1 }).destinationFor(unixClient), undefined, 'relative to nothing');
	t.same(server({ address: ip('0.0.0.0', 80) }).destinationFor(client), tcp('198.51.100.7', 80));
	t.same(server({ address: ip('0.0.0.0', 0), portOffset: 0 }).destinationFor(client), tcp('198.51.100.7', 8080));
	t.equal(server({ address: ip('0.0.0.0', 80) }).destinationFor(unixClient), undefined);
	const v6 = { destination: IpAddress.parse('2001:db8::1'), destinationPort: 443 };
	t.same(
		server({ address: { kind: 'ip', address: '::', family: 6, port: 80 } }).destinationFor(v6),
		tcp('2001:db8::1', 80, 6),
	);
	t.same(server({ address: { kind: 'unix', path: '/run/x', abstract: false } }).destinationFor(client), {
		kind: 'unix',
		path: '/run/x',
		abstract: false,
	});
	t.same(
		server({ address: { kind: 'name', host: 'app', family: undefined, port: 81 } }).destinationFor(client),
		tcp('203.0.113.9', 81),
	);
});

t.test('an address may change while running', async (t) => {
	const one = server({});
	one.setAddress('2001:db8::2', 6, 443);
	t.same(one.destinationFor(client), tcp('2001:db8::2', 443, 6));
	t.equal(one.address, '2001:db8::2');
	t.equal(one.port, 443);
});

t.test('connections that depend on the client are never shared', async (t) => {
	const shares = (fields: Partial<ServerModel>) => server(fields).idle.put({ close: () => {} });
	t.ok(shares({}));
	t.notOk(shares({ portOffset: 1 }));
	t.notOk(shares({ address: ip('0.0.0.0', 80) }));
	t.notOk(shares({ sendProxy: 'v1' }));
	t.notOk(shares({ tls: { sni: { place: { file: '', line: 1 }, words: ['ssl_fc_sni'] } } as never }));
});

t.test('states: usable, running, draining', async (t) => {
	const one = server({});
	const { states } = one;
	const seen = () => [one.isUsable(), one.isRunning(), states.isDraining(0), states.isInMaintenance(0)];
	t.same(seen(), [true, true, false, false]);
	states.setAdmin(0, ServerAdmin.FORCED_DRAIN, 5);
	t.same(seen(), [false, true, true, false]);
	t.equal(states.lastChangeMs(0), 5);
	states.setAdmin(0, ServerAdmin.RESOLUTION_MAINT, 6);
	t.same(seen(), [false, false, false, true]);
	states.setAdmin(0, 0, 7);
	states.setOperation(0, ServerOperation.STOPPING, 8);
	t.same(seen(), [false, true, false, false]);
	states.setOperation(0, ServerOperation.DOWN, 9);
	states.setOperation(0, ServerOperation.DOWN, 10);
	t.same(seen(), [false, false, false, false]);
	t.equal(states.downCount(0), 1);
	t.equal(states.lastChangeMs(0), 9, 'the second time changed nothing');
});

t.test('disabled in the file, and what the views say', async (t) => {
	const { backend } = single(
		backendModel([serverModel('s1', { disabled: true, weight: 7 }), serverModel('s2', { weight: 3, maxconn: 4 })]),
	);
	const [one, two] = backend.servers as [Server, Server];
	t.notOk(one.isRunning());
	t.equal(one.states.admin(0), ServerAdmin.FORCED_MAINT | ServerAdmin.CONFIG_MAINT);
	t.equal(backend.usableServerCount(), 1);
	t.equal(backend.usableWeight(), 3);
	t.equal(two.maxconn, 4);
	t.equal(two.sessionRate(), 0);
	t.equal(backend.serverByName('s2'), two);
	t.equal(backend.serverById(2), two);
	t.equal(backend.serverByKey('s2', 'name'), two);
	t.equal(backend.serverByKey('192.0.2.1:80', 'addr'), one);
	t.equal(backend.serverByName('__proto__'), undefined);
});

t.test('use-server: the first rule that holds decides', async (t) => {
	const seen: string[] = [];
	const rule = (name: string | undefined, holds: boolean) => ({
		name: () => name,
		test: () => {
			seen.push(name ?? '-');
			return holds;
		},
	});
	const make = (...rules: ReturnType<typeof rule>[]) =>
		single(backendModel([serverModel('s1'), serverModel('s2', { weight: 0 })]), { useServers: rules }).backend;
	const view = {} as never;
	t.equal(
		make(rule('s1', false), rule('s2', true), rule('s1', true)).serverByRules(view, false)?.name,
		's2',
		'a weight of 0 does not matter',
	);
	t.same(seen, ['s1', 's2']);
	t.equal(
		make(rule('nobody', true), rule('s1', true)).serverByRules(view, false),
		undefined,
		'and no other rule is applied',
	);
	t.equal(make().serverByRules(view, false), undefined);
	const down = make(rule('s1', true));
	down.states.setOperation(0, ServerOperation.DOWN, 0);
	t.equal(down.serverByRules(view, false), undefined);
});

t.test('a name without an answer leaves its server in maintenance; fd@ is refused', async (t) => {
	const make = (fields: Partial<ServerModel>) => single(backendModel([serverModel('s1', fields)]));
	const { backend: unresolved } = make({ address: { kind: 'name', host: 'app', family: 4, port: 1 } });
	t.equal(unresolved.usableServerCount(), 0);
	t.throws(() => make({ address: { kind: 'fd', fd: 3 } }), /cannot be connected to/);
});
