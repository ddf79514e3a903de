import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { door, ok } from '../lib/api'
import { type Fault, faultOf } from '../lib/fault'
import { enter } from '../lib/me'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Frame } from './frame'
import { Trouble } from './trouble'

/** Takes a one-time link: an invitation, or a way back in after a forgotten password. */
export function Join() {
  // Read once: the address changes when it was used.
  const [token] = useState(() => decodeURIComponent(location.hash.slice(1)))
  const [fault, fail] = useState<Fault | null>(null)
  const [busy, work] = useState(false)
  const go = useNavigate()
  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const password = String(new FormData(e.currentTarget).get('password'))
    work(true)
    fail(null)
    try {
      enter(await ok(door.POST('/v1/links/redeem', { body: { token, password } })))
      void go({ to: '/', replace: true })
    } catch (err) {
      fail(faultOf(err))
    } finally {
      work(false)
    }
  }
  if (!token) return <Frame title={t('join.none')} words={t('join.noneWords')}>{null}</Frame>
  return (
    <Frame title={t('join.title')} words={t('join.words')}>
      <form onSubmit={(e) => void submit(e)} className="flex flex-col gap-4">
        <Field name="password" type="password" label={t('join.password')} help={t('join.help')} fault={fault?.fields.password} required autoFocus autoComplete="new-password" dir="ltr" />
        {fault?.status === 401 ? <p role="alert" className="text-lost">{t('join.gone')}</p> : <Trouble fault={fault} without={['password']} />}
        <Button type="submit" look="primary" wide busy={busy}>{t('join.go')}</Button>
      </form>
    </Frame>
  )
}
