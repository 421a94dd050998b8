/** Where each peer of a section is reached, in both forms of the section (configuration.txt 3.5). */
import t from 'tap';
import { loadConfiguration } from '../../lib/config/index.js';
import { formatSocketAddress } from '../../lib/core/address.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';
import { peerConfigs } from '../../lib/peers/running-peers.js';

function addresses(section: string): (readonly [name: string, isLocal: boolean, address: string | undefined])[] {
	const model = loadConfiguration(
		{
			files: [{ path: 'test.cfg', content: `peers p\n${section}` }],
			arguments: { localpeer: 'a' },
			hostName: 'unused',
			cores: 1,
			readFile: () => '',
		},
		new Diagnostics(),
	);
	return peerConfigs(model!.peers[0]!).map(({ name, isLocal, address }) => [
		name,
		isLocal,
		address === undefined ? undefined : formatSocketAddress(address),
	]);
}

t.test('the form with "peer"', async (t) => {
	t.same(addresses('\tpeer a 127.0.0.1:1001\n\tpeer b 127.0.0.2:1002\n'), [
		['a', true, '127.0.0.1:1001'],
		['b', false, '127.0.0.2:1002'],
	]);
});

t.test('the form with "bind": the local server is reached where the section is bound', async (t) => {
	t.same(addresses('\tbind 127.0.0.1:1001\n\tserver a\n\tserver b 127.0.0.2:1002\n'), [
		['a', true, '127.0.0.1:1001'],
		['b', false, '127.0.0.2:1002'],
	]);
	t.same(addresses('\tbind unix@/run/p.sock\n\tserver a\n')[0]?.slice(0, 2), ['a', true]);
	t.match(addresses('\tbind unix@/run/p.sock\n\tserver a\n')[0]?.[2], /\/run\/p\.sock$/);
});
