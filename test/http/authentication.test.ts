/** Which answers make a connection its user's (manual, `http-reuse`). */
import t from 'tap';
import { authenticatesConnection } from '../../lib/http/authentication.js';
import { HeaderList, NO_BODY, ResponseHead } from '../../lib/http/message.js';

const rows: readonly (readonly [number, readonly (readonly [string, string])[], boolean])[] = [
	[401, [['www-authenticate', 'NTLM']], true],
	[401, [['www-authenticate', 'ntlm TlRMTVNTUAAC']], true],
	[401, [['www-authenticate', 'Negotiate']], true],
	[407, [['proxy-authenticate', 'NTLM']], true],
	[
		401,
		[
			['www-authenticate', 'Basic realm="a"'],
			['www-authenticate', 'NTLM'],
		],
		true,
	],
	[401, [['www-authenticate', 'Basic realm="a", NTLM']], true],
	[401, [['www-authenticate', 'Basic realm="NTLM"']], false],
	[401, [['proxy-authenticate', 'NTLM']], false],
	[200, [['www-authenticate', 'NTLM']], false],
	[401, [], false],
];

t.test('NTLM, and what negotiates it', async (t) => {
	for (const [status, fields, expected] of rows) {
		const headers = new HeaderList(
			fields.map(([name]) => name),
			fields.map(([, value]) => value),
		);
		const head = new ResponseHead(status, '', 11, headers, NO_BODY, 0);
		t.equal(authenticatesConnection(head), expected, `${status} ${JSON.stringify(fields)}`);
	}
});
