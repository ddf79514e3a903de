import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Confirm } from '../ui/dialog'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { say, sayFault } from '../ui/toast'
import { Page, Part, Sorry } from './page'

type Shown = Schemas['RightsShown']
type Permission = Shown['permissions'][number]
type Role = Shown['roles'][number]

const right = (p: Permission) => {
  const own = tOf('console.right', p.permission.replace(':', '-'))
  return own === p.permission.replace(':', '-') ? p.words : own
}
const roleName = (r: Role) => (r.own ? r.name : tOf('role', r.role))
/** What is about no single lead is held or not; the rest says for which leads. */
const reachWord = (p: Permission, reach: string | undefined) => (!reach ? '–' : p.reaches.length > 1 ? tOf('console.reach', reach) : t('console.reach.yes'))

/** Who may what: every role with what it holds, and the account's own to change. */
export function Roles() {
  const may = useMay()
  const rights = useQuery({ queryKey: ['rights'], queryFn: () => ok(api.GET('/v1/rights')) })
  const [editing, edit] = useState<Role | 'new' | null>(null)
  const manage = !!may('people:manage')
  useActs(manage ? [{ id: 'roles.new', words: t('console.roles.new'), keys: 'n', group: t('console.nav.roles'), run: () => edit('new') }] : [])
  const r = rights.data
  return (
    <Page title={t('console.nav.roles')} words={t('console.roles.words')} action={manage && <Button look="primary" icon="plus" onClick={() => edit('new')}>{t('console.roles.new')}</Button>}>
      {rights.isError && !r ? <Sorry error={rights.error} again={() => void rights.refetch()} /> : !r ? <Rows n={10} /> : (
        <>
          <Part title={t('console.roles.own')} className="mb-10">
            {r.roles.some((x) => x.own) ? <ul>{r.roles.filter((x) => x.own).map((x) => <Own key={x.role} role={x} all={r.permissions} manage={manage} edit={() => edit(x)} />)}</ul> : <p className="text-soft">{t('console.roles.none')}</p>}
          </Part>
          <Matrix rights={r} />
        </>
      )}
      {editing && r && <Editor rights={r} role={editing === 'new' ? undefined : editing} onClose={() => edit(null)} />}
    </Page>
  )
}

function Matrix({ rights: r }: { rights: Shown }) {
  return (
    <Part title={t('console.roles.matrix')}>
      <div className="relative overflow-x-auto" tabIndex={0} role="group" aria-label={t('console.roles.matrix')}>
        <table className="w-full min-w-180 text-sm">
          <thead>
            <tr className="border-b border-line text-xs text-soft">
              <th scope="col" className="py-2 pe-3 text-start font-medium">{t('console.roles.right')}</th>
              {r.roles.map((x) => <th key={x.role} scope="col" className="px-2 py-2 text-start font-medium whitespace-nowrap">{roleName(x)}</th>)}
            </tr>
          </thead>
          <tbody>
            {r.permissions.filter((p) => !p.coming).map((p) => (
              <tr key={p.permission} className="border-b border-line hover:bg-hover">
                <th scope="row" className="min-w-64 py-2 pe-3 text-start font-normal">{right(p)}</th>
                {r.roles.map((x) => <td key={x.role} className={cx('px-2 py-2 whitespace-nowrap', x.permissions[p.permission] ? 'font-medium' : 'text-faint')}>{reachWord(p, x.permissions[p.permission])}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Part>
  )
}

const renew = () => {
  void queries.invalidateQueries({ queryKey: ['rights'] })
  void queries.invalidateQueries({ queryKey: ['roles'] })
}

function Own({ role: x, all, manage, edit }: { role: Role; all: Permission[]; manage: boolean; edit: () => void }) {
  const [ask, show] = useState(false)
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/v1/roles/{id}', { params: { path: { id: x.role } } })),
    onSuccess: renew,
    onError: sayFault,
    onSettled: () => show(false),
  })
  const held = all.filter((p) => x.permissions[p.permission] && p.reaches.length > 0)
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line py-2 text-sm">
      <span className="min-w-0 flex-1"><span className="block font-medium">{x.name}</span><span className="block text-soft">{t('console.roles.holds', { count: held.length })}</span></span>
      {manage && <><Button icon="pen" onClick={edit}>{t('console.roles.change')}</Button><Button look="quiet" onClick={() => show(true)}>{t('console.roles.remove')}</Button></>}
      <Confirm open={ask} onClose={() => show(false)} title={t('console.roles.removeAsk', { name: x.name })} words={t('console.roles.removeWords')} verb={t('console.roles.remove')} busy={remove.isPending} onYes={() => remove.mutate()} />
    </li>
  )
}

function Editor({ rights: r, role, onClose }: { rights: Shown; role?: Role; onClose: () => void }) {
  const [held, hold] = useState<Record<string, string>>(() => ({ ...(role?.permissions ?? { 'setup:read': 'all' }) }))
  const choosable = r.permissions.filter((p) => p.reaches.length > 0 && !p.coming)
  const save = useMutation({
    mutationFn: (name: string) => {
      const permissions = Object.fromEntries(choosable.flatMap((p) => (held[p.permission] ? [[p.permission, held[p.permission]!]] : [])))
      const body = { name, permissions }
      return role ? ok(api.PUT('/v1/roles/{id}', { params: { path: { id: role.role } }, body })) : ok(api.POST('/v1/roles', { body }))
    },
    onSuccess: () => {
      renew()
      say(t('console.people.changed'), { kind: 'good' })
      onClose()
    },
    onError: (e) => !faultOf(e).fields.name && sayFault(e),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    save.mutate(String(new FormData(e.currentTarget).get('name')).trim())
  }
  return (
    <Sheet open onClose={onClose} title={role ? role.name : t('console.roles.new')} actions={<Button type="submit" form="role" look="primary" busy={save.isPending}>{t('console.roles.save')}</Button>}>
      <form id="role" onSubmit={submit} className="grid gap-4">
        <Field name="name" label={t('console.roles.name')} required maxLength={120} defaultValue={role?.name} fault={save.isError ? faultOf(save.error).fields.name : undefined} autoComplete="off" />
        {role && <p className="text-sm text-soft">{t('console.roles.changeWords')}</p>}
        {choosable.map((p) => (
          <Select key={p.permission} label={right(p)} value={held[p.permission] || 'no'} onChange={(v) => hold({ ...held, [p.permission]: v === 'no' ? '' : v })}
            choices={[{ value: 'no', label: t('console.reach.no') }, ...p.reaches.map((v) => ({ value: v, label: reachWord(p, v) }))]} />
        ))}
      </form>
    </Sheet>
  )
}
