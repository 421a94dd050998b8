/** Passwords of user lists: SHA-crypt against what crypt(3) makes, and the fetches that use them. */
import t from 'tap';
import { compileCondition } from '../../lib/acl/condition.js';
import { compileExpression } from '../../lib/sample/expression.js';
import { encryptedPasswordError, passwordMatches } from '../../lib/sample/password.js';
import { alertsOf, FAKE_PLACE, fakeContext, fakeStream } from '../fixtures/stream-view.js';

/** Made by `openssl passwd`; the first of each kind is also in the scheme's specification. */
const VECTORS: readonly (readonly [password: string, hash: string])[] = [
	['Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
	['a', '$5$x$85aGabM7xSEYcp0wkefjwtqWAYi1Rrq3b01Gtllmmh7'],
	['a'.repeat(70), '$5$0123456789abcdef$X6Sxoeo85Sv.Uw1p6PhssXp.SDurT6SG1dRqDVlMDs4'],
	[
		'Hello world!',
		'$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
	],
	['a', '$6$x$6Zqbz8j5rMHIeJ1ujjjFXuZXSa/VORj.fVUEQcJc.rjR9.wCKlhZuymRQLtIEzcxNmqwX/fRNvM45BbvFayY51'],
	[
		'a'.repeat(70),
		'$6$0123456789abcdef$mRwqRcLLEM6/z//hG0oNLJQMdAT0NQKrIPWDpF2IYUcosPuPd.lt9oaIpHqqaJVnsmFXDRzDkj1v1QXfYBEI31',
	],
];

t.test('crypt(3)', async (t) => {
	for (const [password, hash] of VECTORS) {
		t.equal(encryptedPasswordError(hash), undefined);
		t.ok(passwordMatches(password, hash, true), hash);
		t.ok(passwordMatches(password, hash, true), 'the second time too');
		t.notOk(passwordMatches(`${password}x`, hash, true));
	}
	for (const bad of ['$1$abc$def', '$y$j9T$x$y', 'abJnggxhB/yWI', '', '$6$', '$5$rounds=999999999$salt$x']) {
		t.type(encryptedPasswordError(bad), 'string', bad);
	}
	t.notOk(passwordMatches('a', '$1$abc$def', true));
	t.ok(passwordMatches('clear', 'clear', false));
	t.notOk(passwordMatches('clear', 'Clear', false));
});

t.test('http_auth and http_auth_group', async (t) => {
	const users = [
		{ name: 'joe', password: VECTORS[0]?.[1] ?? '', encrypted: true, groups: ['admin', 'staff'] },
		{ name: 'ann', password: 'pa:ss', encrypted: false, groups: [] },
	];
	const userlist = { place: FAKE_PLACE, name: 'u', users, groups: ['admin', 'staff'] };
	const context = fakeContext({ userlists: [userlist] });
	const as = (credentials: string) =>
		fakeStream({ headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } });
	const auth = compileCondition(['if', '{', 'http_auth(u)', '}'], 0, context);
	const group = compileCondition(['if', '{', 'http_auth_group(u)', 'staff', '}'], 0, context);
	t.equal(auth?.test(as('joe:Hello world!')), true);
	t.equal(auth?.test(as('joe:hello world!')), false);
	t.equal(auth?.test(as('ann:pa:ss')), true);
	t.equal(auth?.test(as('nobody:x')), false);
	t.equal(auth?.test(fakeStream()), false);
	t.equal(group?.test(as('joe:Hello world!')), true);
	t.equal(group?.test(as('ann:pa:ss')), false, 'right password, other group');
	t.equal(group?.test(as('joe:wrong')), false);
	t.equal(compileExpression(['http_auth_group(u)'], 0, context)?.expression.evaluate(as('ann:pa:ss')), 'ann');
	t.same(alertsOf(context), []);
	const old = { ...userlist, users: [{ name: 'old', password: '$1$a$b', encrypted: true, groups: [] }] };
	const refused = fakeContext({ userlists: [old] });
	t.equal(compileExpression(['http_auth(u)'], 0, refused), undefined);
	t.match(alertsOf(refused)[0], /user 'old' of userlist 'u' : only SHA-256/);
});
