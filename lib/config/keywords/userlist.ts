/** The `userlist` section (manual, 3.4). */
import type { Place } from '../../core/diagnostics.js';
import type { UserlistDraft } from '../draft.js';
import { type Keyword, KeywordTable } from '../statement.js';

export const newUserlist = (name: string, place: Place): UserlistDraft => ({
	place,
	name,
	users: [],
	groups: [],
	members: [],
});

/** What crypt(3) writes for its methods other than DES, which has 13 characters and no dollar. */
const CRYPT = /^(\$(1|5|6|2[abxy]?|y|7|sha1|md5)\$.+|[./0-9A-Za-z]{13})$/;

const BUILT: readonly Keyword<UserlistDraft>[] = [
	{
		name: 'group',
		parse(statement, list) {
			const name = statement.word(1);
			if (name === '') {
				statement.alert(`'group' expects <name> as argument.`);
				return;
			}
			if (list.groups.includes(name)) {
				statement.alert(`userlist '${list.name}' : group '${name}' already exists.`);
				return;
			}
			if (statement.word(2) !== '' && (statement.word(2) !== 'users' || statement.word(3) === '')) {
				statement.alert(`'group' only supports 'users' <name>[,<name>...], got '${statement.word(2)}'.`);
				return;
			}
			if (!statement.atMost(3)) return;
			list.groups.push(name);
			const users = statement
				.word(3)
				.split(',')
				.filter((user) => user !== '');
			list.members.push({ group: name, users, place: statement.place });
		},
	},
	{
		name: 'user',
		parse(statement, list) {
			const name = statement.word(1);
			if (name === '') {
				statement.alert(`'user' expects <name> as argument.`);
				return;
			}
			if (list.users.some((user) => user.name === name)) {
				statement.alert(`userlist '${list.name}' : user '${name}' already exists.`);
				return;
			}
			let password = '';
			let encrypted = true;
			let groups: string[] = [];
			for (let i = 2; i < statement.words.length; i += 2) {
				const word = statement.word(i);
				const value = statement.word(i + 1);
				if (word === 'password' || word === 'insecure-password') {
					password = value;
					encrypted = word === 'password';
					if (encrypted && !CRYPT.test(value)) {
						statement.alert(`userlist '${list.name}' : the password of user '${name}' is not one that crypt(3) makes.`);
						return;
					}
				} else if (word === 'groups') groups = value.split(',').filter((group) => group !== '');
				else {
					statement.alert(`'user' only supports 'password', 'insecure-password' and 'groups' options, got '${word}'.`);
					return;
				}
			}
			list.users.push({ name, password, encrypted, groups, place: statement.place });
		},
	},
];

export const USERLIST_KEYWORDS = new KeywordTable<UserlistDraft>(BUILT);
