import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { say, sayFault } from '../ui/toast'
import { useRoles } from './data'
import { Asked, lines, sayFields } from './settings'

type Provider = Schemas['SSOProvider']
const key = ['account', 'sso']
const took = (p: Provider | null) => {
  queries.setQueryData(key, { provider: p })
  say(t('console.people.changed'), { kind: 'good' })
}

/** Single sign-on: the account's identity provider, and which domains are shown to be the account's. */
export function SSO() {
  const now = useQuery({
    queryKey: key,
    queryFn: () => ok(api.GET('/v1/account/sso')).then((provider) => ({ provider: provider as Provider | null }), (e) => (faultOf(e).status === 404 ? { provider: null } : Promise.reject(e))),
  })
  const [open, show] = useState(false)
  const p = now.data?.provider ?? null
  return (
    <Asked title={t('console.sso.title')} query={now}>
      <p className="mb-4 text-sm text-soft">{t('console.sso.words')}</p>
      {p && <Domains p={p} />}
      {p || open ? <Form key={p?.changed_at} p={p} /> : <Button icon="plus" onClick={() => show(true)}>{t('console.sso.begin')}</Button>}
    </Asked>
  )
}

const tones: Record<string, Tone> = { verified: 'good', missing: 'warm', taken: 'lost', unverified: 'plain' }

function Domains({ p }: { p: Provider }) {
  const check = useMutation({ mutationFn: () => ok(api.POST('/v1/account/sso/check')), onSuccess: took, onError: sayFault })
  return (
    <div className="mb-6">
      <ul>
        {p.records.map((d) => (
          <li key={d.domain} className="border-b border-line py-2 text-sm">
            <span className="flex items-center justify-between gap-3"><span className="font-medium"><span className="ltr">{d.domain}</span></span><Badge tone={tones[d.state]}>{tOf('console.sso.state', d.state)}</Badge></span>
            {d.state !== 'verified' && <><span className="mt-1 block text-soft">{t('console.sso.record')}</span><span dir="ltr" className="mt-1 block rounded bg-sunken p-2 font-mono text-xs break-all">{d.txt}</span></>}
          </li>
        ))}
      </ul>
      <Button className="mt-3" busy={check.isPending} onClick={() => check.mutate()}>{t('console.sso.check')}</Button>
    </div>
  )
}

function Form({ p }: { p: Provider | null }) {
  const roles = useRoles().choices.filter((r) => r.value !== 'admin')
  const [role, setRole] = useState(p?.new_role || '*')
  const [compulsory, compel] = useState(p?.compulsory ?? false)
  const [ask, show] = useState(false)
  const save = useMutation({ mutationFn: (body: Schemas['SsoProviderInBody']) => ok(api.PUT('/v1/account/sso', { body })), onSuccess: took, onError: sayFields })
  const end = useMutation({ mutationFn: () => ok(api.DELETE('/v1/account/sso')), onSuccess: () => took(null), onError: sayFault, onSettled: () => show(false) })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    const text = (name: string) => String(f.get(name) ?? '').trim()
    save.mutate({ issuer: text('issuer'), client_id: text('client_id'), client_secret: text('client_secret') || undefined, domains: lines(f.get('domains')), compulsory, new_role: role === '*' ? undefined : role })
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field name="issuer" type="url" required label={t('console.sso.issuer')} help={t('console.sso.issuerHelp')} defaultValue={p?.issuer} inputClass="ltr" autoComplete="off" />
      <Field name="client_id" required label={t('console.sso.client')} defaultValue={p?.client_id} inputClass="ltr" autoComplete="off" />
      <Field name="client_secret" type="password" required={!p} label={t('console.sso.secret')} help={p ? t('console.sso.secretHelp') : undefined} inputClass="ltr" autoComplete="off" />
      <Field name="domains" label={t('console.sso.domains')} help={t('console.sso.domainsHelp')} defaultValue={p?.domains.join(', ')} inputClass="ltr" autoComplete="off" />
      <Select label={t('console.sso.newRole')} value={role} onChange={setRole} choices={[{ value: '*', label: t('console.sso.nobodyNew') }, ...roles]} />
      <label className="flex min-h-11 items-center gap-2.5 text-sm md:min-h-9"><input type="checkbox" className="size-4 accent-accent" checked={compulsory} onChange={(e) => compel(e.target.checked)} />{t('console.sso.compulsory')}</label>
      {p && <p className="text-sm text-soft">{t('console.sso.callback')} <span dir="ltr" className="font-mono text-xs break-all">{p.callback_url}</span></p>}
      <div className="flex gap-2"><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button>{p && <Button type="button" look="quiet" onClick={() => show(true)}>{t('console.sso.end')}</Button>}</div>
      <Confirm open={ask} onClose={() => show(false)} title={t('console.sso.endAsk')} words={t('console.sso.endWords')} verb={t('console.sso.end')} busy={end.isPending} onYes={() => end.mutate()} />
    </form>
  )
}
