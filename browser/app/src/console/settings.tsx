import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field, TextField } from '../ui/field'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { say, sayFault } from '../ui/toast'
import { AccountKeys } from './accountkeys'
import { Archive } from './archive'
import { AccountChanges } from './changes'
import { End } from './end'
import { Page, Part, Sorry } from './page'
import { useRoles } from './data'
import { Retention } from './retention'
import { SSO } from './sso'

/** The rules of the account: how its people come in, from where, and how long a phone works alone. */
export function Settings() {
  const may = useMay()
  return (
    <Page title={t('console.nav.settings')} words={t('console.settings.words')}>
      <div className="grid grid-cols-1 gap-x-14 gap-y-12 lg:grid-cols-2">
        <SignIn />
        <Devices />
        <Networks />
        <SSO />
        {may('privacy:manage') && <Masking />}
        {may('privacy:manage') && <Retention />}
        <AccountKeys />
        {may('account:leave') && <Archive />}
        <AccountChanges />
        {may('account:leave') && <End />}
      </div>
    </Page>
  )
}

const saved = (key: string) => (now: unknown) => {
  queries.setQueryData(['account', key], now)
  say(t('console.people.changed'), { kind: 'good' })
}
/** What is wrong with fields that the form has no place of its own for. */
export const sayFields = (e: unknown) => {
  const f = faultOf(e)
  const said = Object.values(f.fields)
  if (said.length) say(f.message, { kind: 'lost', words: said.join(' ') })
  else sayFault(e)
}
export const lines = (text: FormDataEntryValue | null) => String(text ?? '').split(/[\s,]+/).filter(Boolean)

export function Asked({ title, query, children }: { title: string; query: { isError: boolean; error: unknown; data?: unknown; refetch: () => unknown }; children: ReactNode }) {
  return <Part title={title}>{query.isError && !query.data ? <Sorry error={query.error} again={() => void query.refetch()} /> : !query.data ? <Rows n={4} /> : children}</Part>
}

function Choose({ legend, help, all, held, change }: { legend: string; help: string; all: { value: string; label: string }[]; held: string[]; change: (next: string[]) => void }) {
  return (
    <fieldset>
      <legend className="text-sm font-medium">{legend}</legend>
      <p className="mb-1 text-sm text-soft">{help}</p>
      <div className="flex flex-wrap gap-x-6">
        {all.map((r) => (
          <label key={r.value} className="flex min-h-11 items-center gap-2.5 text-sm md:min-h-9">
            <input type="checkbox" className="size-4 accent-accent" checked={held.includes(r.value)} onChange={(e) => change(e.target.checked ? [...held, r.value] : held.filter((x) => x !== r.value))} />
            {r.label}
          </label>
        ))}
      </div>
    </fieldset>
  )
}

function SignIn() {
  const rule = useQuery({ queryKey: ['account', 'sign-in'], queryFn: () => ok(api.GET('/v1/account/sign-in')) })
  const [draft, change] = useState<Partial<Schemas['SignInRule']>>({})
  const roles = useRoles().choices
  const save = useMutation({
    mutationFn: (body: Schemas['SignInRule']) => ok(api.PUT('/v1/account/sign-in', { body })),
    onSuccess: (now) => {
      saved('sign-in')(now)
      change({})
    },
    onError: sayFields,
  })
  const now = rule.data && { ...rule.data, ...draft }
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    if (now) save.mutate({ no_password: now.no_password, second_factor: now.second_factor, code_countries: lines(new FormData(e.currentTarget).get('countries')).map((c) => c.toUpperCase()) })
  }
  return (
    <Asked title={t('console.settings.signIn')} query={rule}>
      {now && (
        <form onSubmit={submit} className="grid gap-5">
          <Choose legend={t('console.settings.second')} help={t('console.settings.secondHelp')} all={roles.filter((r) => r.value !== 'admin')} held={now.second_factor} change={(second_factor) => change({ ...draft, second_factor })} />
          <Choose legend={t('console.settings.noPassword')} help={t('console.settings.noPasswordHelp')} all={roles.filter((r) => ['salesperson', 'manager'].includes(r.value) || r.value.startsWith('role_'))} held={now.no_password} change={(no_password) => change({ ...draft, no_password })} />
          <Field name="countries" label={t('console.settings.countries')} help={t('console.settings.countriesHelp')} defaultValue={now.code_countries.join(', ')} inputClass="ltr" autoComplete="off" />
          <div><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>
        </form>
      )}
    </Asked>
  )
}

function Devices() {
  const rule = useQuery({ queryKey: ['account', 'devices'], queryFn: () => ok(api.GET('/v1/account/devices')) })
  const [level, setLevel] = useState<string | null>(null)
  const save = useMutation({ mutationFn: (body: Schemas['DeviceRule']) => ok(api.PUT('/v1/account/devices', { body })), onSuccess: saved('devices'), onError: sayFields })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    save.mutate({ offline_ms: Math.round(Number(new FormData(e.currentTarget).get('hours')) * 3_600_000), level: Number(level ?? rule.data?.level ?? 1) })
  }
  return (
    <Asked title={t('console.settings.offline')} query={rule}>
      {rule.data && (
        <form onSubmit={submit} className="grid gap-5">
          <p className="text-sm text-soft">{t('console.settings.offlineWords')}</p>
          <Field name="hours" type="number" min={0} max={168} step={0.5} required label={t('console.settings.hours')} help={t('console.settings.hoursHelp')} defaultValue={rule.data.offline_ms / 3_600_000} className="max-w-60" inputClass="figures" />
          <Select label={t('console.settings.level')} value={level ?? String(rule.data.level)} onChange={setLevel} className="max-w-80" choices={[{ value: '1', label: t('console.settings.level1') }, { value: '2', label: t('console.settings.level2') }]} />
          <div><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>
        </form>
      )}
    </Asked>
  )
}

function Networks() {
  const now = useQuery({ queryKey: ['account', 'networks'], queryFn: () => ok(api.GET('/v1/account/networks')) })
  const save = useMutation({ mutationFn: (body: Schemas['AllowedNetworks']) => ok(api.PUT('/v1/account/networks', { body })), onSuccess: saved('networks'), onError: sayFields })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    save.mutate({ everyone: lines(f.get('everyone')), admins: lines(f.get('admins')), keys: lines(f.get('keys')) })
  }
  return (
    <Asked title={t('console.settings.networks')} query={now}>
      {now.data && (
        <form onSubmit={submit} className="grid gap-5">
          <p className="text-sm text-soft">{t('console.settings.networksWords')}</p>
          {(['everyone', 'admins', 'keys'] as const).map((k) => <TextField key={k} name={k} label={t(`console.settings.net.${k}`)} rows={2} dir="ltr" spellCheck={false} defaultValue={now.data[k].join('\n')} className="[&_textarea]:font-mono [&_textarea]:text-sm" />)}
          <div><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>
        </form>
      )}
    </Asked>
  )
}

function Masking() {
  const now = useQuery({ queryKey: ['account', 'masking'], queryFn: () => ok(api.GET('/v1/account/masking')) })
  const [on, setOn] = useState<boolean | null>(null)
  const save = useMutation({ mutationFn: (body: Schemas['Masking']) => ok(api.PUT('/v1/account/masking', { body })), onSuccess: saved('masking'), onError: sayFields })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    save.mutate({ on_offer: on ?? now.data?.on_offer ?? false })
  }
  return (
    <Asked title={t('console.settings.masking')} query={now}>
      {now.data && (
        <form onSubmit={submit} className="grid gap-5">
          <p className="text-sm text-soft">{t('console.settings.maskingWords')}</p>
          <Select label={t('console.settings.maskingOf')} value={String(on ?? now.data.on_offer)} onChange={(v) => setOn(v === 'true')} className="max-w-80" choices={[{ value: 'false', label: t('console.settings.maskingOff') }, { value: 'true', label: t('console.settings.maskingOn') }]} />
          <div><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>
        </form>
      )}
    </Asked>
  )
}
