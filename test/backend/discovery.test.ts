/** Addresses and SRV records shared out among servers; words of log lines as HAProxy writes them (test/interop/dns.test.ts). */
import t from 'tap';
import {
	AddressGroup,
	DiscoveredServer,
	type DiscoveryHost,
	ServiceGroup,
	weightOfService,
} from '../../lib/backend/discovery.js';
import type { ServerModel } from '../../lib/config/model.js';
import { NO_RESOLUTION, type ServerResolutionModel } from '../../lib/config/resolvers-model.js';
import { Resolver } from '../../lib/dns/resolver.js';
import { ServerAdmin } from '../../lib/shared/server-state.js';
import { a, aaaa, FakeNetwork, NX, REFUSED, section, srv } from '../dns/support.js';
import { backendModel, serverModel, single } from './support.js';

function named(name: string, host: string, fields: Partial<ServerResolutionModel> = {}): ServerModel {
	return serverModel(name, {
		address: { kind: 'name', host, family: undefined, port: host.startsWith('_') ? 0 : 80 },
		resolution: { ...NO_RESOLUTION, resolvers: 'd', prefer: 4, ...fields },
	});
}

function make(host: string, count: number, fields: Partial<ServerResolutionModel> = {}) {
	const models = Array.from({ length: count }, (_, index) => named(`s${index + 1}`, host, fields));
	const { backend, clock } = single(backendModel(models));
	const network = new FakeNetwork();
	const resolver = new Resolver(section(), { clock, transport: network, randomId: () => 1 });
	const log: string[] = [];
	const told: string[] = [];
	const owner: DiscoveryHost = {
		nowMs: () => clock.nowMs,
		log: (_, line) => log.push(line),
		addressChanged: (_, server) => told.push(`${server.name} ${server.address}:${server.port}`),
		changed: (of) => of.stateChanged(),
	};
	const prefer = fields.prefer ?? 4;
	const group = host.startsWith('_') ? new ServiceGroup(resolver, host) : new AddressGroup(resolver, host, prefer);
	const members = backend.servers.map((server) => new DiscoveredServer(backend, server, owner));
	for (const member of members) group.add(member);
	if (group instanceof ServiceGroup) group.begin();
	const states = () =>
		backend.servers.map(({ address, port, index }) =>
			backend.states.isInMaintenance(index) ? '-' : `${address}:${port}`,
		);
	return { backend, clock, network, resolver, log, told, group, members, states };
}

const HOST = 'app.test';

t.test('each server one address; who has none is in maintenance', async (t) => {
	const { network, states, log, told, clock, resolver } = make(HOST, 3);
	t.same(states(), ['-', '-', '-']);
	network.take()[0]!.answer([a(HOST, '10.0.0.1'), a(HOST, '10.0.0.2')]);
	t.same(states(), ['10.0.0.1:80', '10.0.0.2:80', '-']);
	t.same(told, ['s1 10.0.0.1:80', 's2 10.0.0.2:80']);
	t.same(log, [
		'app/s1 changed its IP from (none) to 10.0.0.1 by d/n1.',
		"Server app/s1 ('app.test') is UP/READY (resolves again).",
		'Server app/s1 administratively READY thanks to valid DNS answer.',
		'app/s2 changed its IP from (none) to 10.0.0.2 by DNS cache.',
		"Server app/s2 ('app.test') is UP/READY (resolves again).",
		'Server app/s2 administratively READY thanks to valid DNS answer.',
	]);
	t.equal(resolver.nameServers[0]?.counters.update, 1);
	clock.advance(1000);
	network.take()[0]!.answer([a(HOST, '10.0.0.2'), a(HOST, '10.0.0.1')]);
	t.same(states(), ['10.0.0.1:80', '10.0.0.2:80', '-'], 'another order is no change');
	t.equal(log.length, 6);
	clock.advance(1000);
	network.take()[0]!.answer([a(HOST, '10.0.0.2'), a(HOST, '10.0.0.3')]);
	t.same(states(), ['10.0.0.3:80', '10.0.0.2:80', '-']);
	clock.advance(1000);
	network.take()[0]!.answer([a(HOST, '10.0.0.2')]);
	t.same(states(), ['-', '10.0.0.2:80', '-']);
	t.match(log.at(-1), /^Server app\/s1 is going DOWN for maintenance \(No IP for server \)\. 1 active and 0 backup/);
});

t.test('allow-dup-ip', async (t) => {
	const { network, states } = make(HOST, 3, { allowDuplicates: true });
	network.take()[0]!.answer([a(HOST, '10.0.0.1'), a(HOST, '10.0.0.2')]);
	t.same(states(), ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.1:80']);
});

t.test('networks, then the family', async (t) => {
	const { network, states } = make(HOST, 3, { networks: ['10.1.0.0/16', '2001:db8::/33'] });
	network.take()[0]!.answer([a(HOST, '10.0.0.1'), a(HOST, '10.1.255.2'), a(HOST, '10.1.0.3')]);
	t.same(states(), ['10.1.255.2:80', '10.1.0.3:80', '10.0.0.1:80']);
	const six = make(HOST, 1, { prefer: 6, networks: ['2001:db8:8000::/33'] });
	six.network.take()[0]!.answer([aaaa(HOST, '2001:db8:7fff::1'), aaaa(HOST, '2001:db8:8000::1')]);
	t.same(six.states(), ['2001:db8:8000::1:80']);
});

t.test('a failure that outlasts its hold ends them all, an answer brings them back', async (t) => {
	const { network, states, log, clock, backend } = make(HOST, 1);
	network.take()[0]!.answer([a(HOST, '10.0.0.1')]);
	for (let second = 0; second < 3; second++) {
		clock.advance(1000);
		for (let asked = network.take(); asked.length > 0; asked = network.take()) asked[0]!.code(REFUSED);
	}
	t.same(states(), ['-']);
	t.match(log.at(-1), /going DOWN for maintenance \(DNS refused status\)/);
	t.equal(backend.servers[0]?.destinationFor({ destination: undefined, destinationPort: 0 }), undefined);
	clock.advance(1000);
	network.take()[0]!.answer([a(HOST, '10.0.0.1')]);
	t.same(states(), ['10.0.0.1:80']);
});

t.test("an operator's maintenance stays", async (t) => {
	const { network, backend, states } = make(HOST, 1);
	backend.states.setAdmin(0, backend.states.admin(0) | ServerAdmin.FORCED_MAINT, 0);
	network.take()[0]!.answer([a(HOST, '10.0.0.1')]);
	t.same(states(), ['-']);
	t.equal(backend.states.admin(0), ServerAdmin.FORCED_MAINT);
});

t.test('a server that leaves a group frees its address', async (t) => {
	const { network, members, group, clock, states, resolver } = make(HOST, 2);
	network.take()[0]!.answer([a(HOST, '10.0.0.1')]);
	t.same(states(), ['10.0.0.1:80', '-']);
	t.notOk(group.remove(members[0]!));
	clock.advance(1000);
	network.take()[0]!.answer([a(HOST, '10.0.0.1')]);
	t.same(states(), ['10.0.0.1:80', '10.0.0.1:80']);
	t.ok(group.remove(members[1]!), 'the last one');
	clock.advance(5000);
	t.same(network.take(), []);
	resolver.stop();
});

const SERVICE = '_h._tcp.test';

t.test('services: port, weight and address of the additional records', async (t) => {
	const { network, states, log, backend, clock } = make(SERVICE, 3);
	const additionals = [a('x.test', '10.0.0.1'), a('y.test', '10.0.0.2')];
	network.take()[0]!.answer([srv(SERVICE, 'x.test', 81, 10), srv(SERVICE, 'y.test', 82, 1000)], { additionals });
	t.same(states(), ['10.0.0.1:81', '10.0.0.2:82', '-']);
	t.same(
		[0, 1].map((index) => backend.states.weight(index)),
		[1, 4],
	);
	t.same(log.slice(0, 3), [
		'app/s1 changed its IP from (none) to 10.0.0.1 by DNS additional record.',
		"app/s1 changed its FQDN from (null) to x.test by 'SRV record'",
		"Server app/s1 ('x.test') is UP/READY (resolves again).",
	]);
	t.equal(backend.states.admin(0), ServerAdmin.HOST_CHANGED);
	clock.advance(1000);
	network.take()[0]!.answer([srv(SERVICE, 'y.test', 82, 0), srv(SERVICE, 'z.test', 83)], {
		additionals: [...additionals, a('z.test', '10.0.0.3')],
	});
	t.same(states(), ['10.0.0.3:83', '10.0.0.2:82', '-'], 'the place that became free');
	t.equal(backend.states.weight(1), 1);
	t.ok(log.some((line) => /app\/s1 is going DOWN for maintenance \(entry removed from SRV record\)/.test(line)));
	for (let second = 0; second < 3; second++) {
		clock.advance(1000);
		network.take()[0]!.code(NX);
	}
	t.same(states(), ['-', '-', '-']);
	t.same(
		backend.servers.map(({ hostName }) => hostName),
		[undefined, undefined, undefined],
	);
});

t.test('services whose targets have to be asked for, and ignore-weight', async (t) => {
	const { network, states, backend, group } = make(SERVICE, 2, { ignoreWeight: true });
	network.take()[0]!.answer([srv(SERVICE, 'x.test', 81, 5000), srv(SERVICE, 'x.test', 82)]);
	t.same(states(), ['-', '-']);
	const [asked, ...more] = network.take();
	t.equal(asked!.text, 'n1 udp A x.test');
	t.same(more, [], 'two services of one host ask once');
	asked!.answer([a('x.test', '10.0.0.9')]);
	t.same(states(), ['10.0.0.9:81', '10.0.0.9:82']);
	t.equal(backend.states.weight(0), 1);
	group.stop();
});

t.test('more services than servers, and weights', async (t) => {
	const { network, states } = make(SERVICE, 1);
	const additionals = [a('x.test', '10.0.0.1'), a('y.test', '10.0.0.2')];
	network.take()[0]!.answer([srv(SERVICE, 'x.test', 81), srv(SERVICE, 'y.test', 82)], { additionals });
	t.same(states(), ['10.0.0.1:81']);
	t.same([0, 255, 256, 65_535].map(weightOfService), [1, 1, 2, 256]);
});
